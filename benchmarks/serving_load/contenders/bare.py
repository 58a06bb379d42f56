"""A bare grpc.aio server in front of ONNX Runtime, without batching: what one writes first.

With uvloop, and in processes that share a port. It takes our requests and gives our answers, by its own reading of the
two fields, but draws its latents at random.

    python bare.py PORT PROCESSES MODEL
"""

import asyncio
import multiprocessing
import sys
from typing import Any

METHOD = "/digits.v1.Digits/Generate"


def serve(port: int, model: str) -> None:
    """One process."""
    import grpc
    import uvloop
    from onnx_generator import OnnxGenerator

    generator = OnnxGenerator(model)

    async def generate(request: bytes, context: Any) -> bytes:
        images = generator.draw(count_in(request))
        return b"".join(b"\x0a\x90\x06" + image.tobytes() for image in images)

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


def count_in(request: bytes) -> int:
    """`n` of a GenerateRequest that holds nothing else: a tag and a varint."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(request[1:]))


if __name__ == "__main__":
    for _ in range(int(sys.argv[2])):
        multiprocessing.get_context("spawn").Process(target=serve, args=(int(sys.argv[1]), sys.argv[3])).start()
