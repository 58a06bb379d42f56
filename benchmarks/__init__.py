"""What measures speed, quality and load; each prints a table and writes JSON into `artifacts/benchmarks`."""
