"""The server: methods by their paths, and the connections of one listening socket."""

import asyncio
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import grpc

from serving.transport.http2.budget import ByteBudget
from serving.transport.http2.call import Handler
from serving.transport.http2.connection import Connection

BACKLOG = 1024
LAST_CALLS_S = 0.1  # after it was told of the shutdown, a client's calls may still be on their way


class _Method(NamedTuple):
    """What generic handlers look at to find a method's handler."""

    method: str
    invocation_metadata: tuple[()] = ()


class Server:
    """Serves servicers of grpc.aio: `add_XServicer_to_server(servicer, server)` works as it does there.

    Their methods must be coroutines or asynchronous generators.

    Args:
        max_bytes: Size of a request message at most.
        endless: Paths of methods whose calls never end by themselves, and do not hold a shutdown up.
        held_bytes: Of their requests, that all calls may hold together.
    """

    def __init__(self, max_bytes: int, endless: Collection[str], held_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._budget = ByteBudget(held_bytes)
        self._endless = frozenset(path.encode() for path in endless)
        self._handlers: dict[bytes, Handler] = {}
        self._generic: list[grpc.GenericRpcHandler] = []
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._gone = asyncio.Event()  # a connection is

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As in grpc.aio."""
        self._generic += generic_rpc_handlers

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Handler]) -> None:
        """As in grpc.aio."""
        self._handlers |= {f"/{service_name}/{name}".encode(): handler for name, handler in method_handlers.items()}

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on a bound socket."""
        self._listener = await asyncio.get_running_loop().create_server(self._connect, sock=listener, backlog=BACKLOG)

    async def stop(self, grace_s: float | None) -> None:
        """Close the port, let calls in flight end for so long, then cut them off; None: at once."""
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.begin_shutdown()
        if grace_s is not None:
            end = asyncio.get_running_loop().time() + grace_s
            await asyncio.sleep(min(LAST_CALLS_S, grace_s))
            for connection in list(self._connections):
                connection.finish_shutdown()
            await self._wait_for_connections(end)
        for connection in list(self._connections):
            connection.cut_off()

    async def _wait_for_connections(self, end: float) -> None:
        while self._connections and (left := end - asyncio.get_running_loop().time()) > 0:
            self._gone.clear()
            try:
                await asyncio.wait_for(self._gone.wait(), left)
            except TimeoutError:
                return

    def _connect(self) -> Connection:
        connection = Connection(self._find, self._max_bytes, self._budget, self._endless, self._disconnect)
        self._connections.add(connection)
        return connection

    def _disconnect(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._gone.set()

    def _find(self, path: bytes) -> Handler | None:
        if (handler := self._handlers.get(path)) is not None:
            return handler
        details: Any = _Method(path.decode("latin-1"))
        for generic in self._generic:
            if (found := generic.service(details)) is not None:
                self._handlers[path] = found
                return found
        return None
