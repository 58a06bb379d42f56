"""What the tests notice of small faults put into the rooms whose failure would be silent."""
