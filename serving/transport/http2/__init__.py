"""A gRPC server on asyncio: libnghttp2 speaks HTTP/2, and what gRPC adds to that is here.

It takes the servicers that grpc.aio takes, at a fraction of what a call costs there: docs/benchmarks.md has figures.
"""
