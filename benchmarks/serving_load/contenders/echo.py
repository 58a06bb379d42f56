"""A bare grpc.aio echo with uvloop, in processes that share a port: the transport's limit in grpcio.

It answers any request with as many bytes as an answer of the generator has.

    python echo.py PORT PROCESSES BYTES
"""

import asyncio
import multiprocessing
import sys
from typing import Any

METHOD = "/digits.v1.Digits/Generate"


def serve(port: int, size: int) -> None:
    """One process."""
    import grpc
    import uvloop

    answer = bytes(size)

    async def generate(request: bytes, context: Any) -> bytes:
        return answer

    class Handlers(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(generate) if handler_call_details.method == METHOD else None

    async def run() -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 1)])
        server.add_generic_rpc_handlers([Handlers()])
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()

    uvloop.install()
    asyncio.run(run())


if __name__ == "__main__":
    for _ in range(int(sys.argv[2])):
        multiprocessing.get_context("spawn").Process(target=serve, args=(int(sys.argv[1]), int(sys.argv[3]))).start()
