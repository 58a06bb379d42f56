"""gRPC servers. They know nothing of what is served."""
