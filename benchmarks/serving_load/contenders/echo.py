"""A bare grpc.aio echo with uvloop, in processes that share a port: the transport's limit in grpcio.

It answers a request for `n` images with as many bytes as they have.

    python echo.py PORT PROCESSES
"""

import asyncio
import multiprocessing
import sys
from functools import cache
from typing import Any

IMAGE_BYTES = 3 + 28 * 28  # with what goes before it in the message
METHOD = "/digits.v1.Digits/Generate"


def serve(port: int) -> None:
    """One process."""
    import grpc
    import uvloop

    @cache
    def answer(request: bytes) -> bytes:
        n = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(request[1:]))  # a tag and a varint
        return bytes(n * IMAGE_BYTES)

    async def generate(request: bytes, context: Any) -> bytes:
        return answer(request)

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
        multiprocessing.get_context("spawn").Process(target=serve, args=(int(sys.argv[1]),)).start()
