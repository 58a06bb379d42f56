"""What the server makes of the machine, beside the machine's limits and the usual alternatives."""
