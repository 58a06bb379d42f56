"""The gRPC server, its client and its command line. Never imports torch, `training`, `evaluation` or `export`."""
