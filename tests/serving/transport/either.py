"""A server of either transport in this process, for tests that both must pass."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from serving.address import address_of
from serving.process.port import hold, reserve
from serving.transport import grpc_aio
from serving.transport.http2 import server as http2
from serving.transport.limits import Limits
from serving.transport.observer import Observer

TRANSPORTS = ("http2", "grpcio")
PATIENCE_S = 30
LIMITS = Limits(max_message_bytes=1 << 20)


@asynccontextmanager
async def serving(
    transport: str, register: Callable[[Any], None], observer: Observer | None = None
) -> AsyncIterator[str]:
    """Serve what is registered; the address."""
    server: http2.Server | grpc_aio.Server
    listener = reserve("127.0.0.1", 0)
    if transport == "grpcio":
        server, listener = grpc_aio.Server(LIMITS, observer=observer), hold(listener)
    else:
        server = http2.Server(LIMITS, observer=observer)
    register(server)
    await server.start(listener)
    yield address_of(listener)
    await server.stop(None)
    listener.close()


def of_bytes(**methods: Any) -> Callable[[Any], None]:
    """Registers methods of a service `Test` that take and give bytes."""
    return lambda server: server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Test", methods)])
