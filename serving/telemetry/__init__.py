"""What happened: metrics in shared memory, and a line a call."""
