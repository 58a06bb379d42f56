"""`--transport grpcio`: what is another's there, and how the server stands it."""

import asyncio
from collections.abc import Callable
from typing import Any

from protos.digits.v1 import digits_pb2 as pb
from tests.serving.transport.http2.raw_client import USUAL, raw_client


def test_server_that_a_path_has_ended_is_replaced(
    start_server: Callable[..., Any], connect: Callable[[str], Any], transport: str
) -> None:
    """Of grpcio 1.85, one path that is no UTF-8 closes the port and leaves the process: see `grpc_aio.Server`."""
    server = start_server("--workers", "1")

    async def call_nobody() -> None:
        async with raw_client(server.address) as client:
            fields = (USUAL | {":path": "/\xff"}).items()
            client.http.send_headers(1, [(key.encode(), value.encode("latin-1")) for key, value in sorted(fields)])
            client.flush()
            await client.receive()

    asyncio.run(call_nobody())
    request = pb.GenerateRequest(seed=1, n=5)
    assert len(connect(server.address).Generate(request, wait_for_ready=True, timeout=60).images) == 5
    if transport == "grpcio":
        assert "worker 0 ended with exit code 1; another is started" in server.stderr.read_text()
    else:
        assert server.stderr.read_text() == ""
