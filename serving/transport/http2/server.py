"""The server: methods by their paths, and the connections of one listening socket."""

import asyncio
import resource
import socket
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import grpc

from serving.transport.http2.budget import Budget
from serving.transport.http2.call import Handler
from serving.transport.http2.connection import Common, Connection, Method
from serving.transport.http2.context import ENCODING_OF
from serving.transport.http2.turns import Turns
from serving.transport.http2.unread import Unread
from serving.transport.limits import Limits
from serving.transport.observer import Nobody, Observer

BACKLOG = 1024
LAST_CALLS_S = 0.1  # after it was told of the shutdown, a client's calls may still be on their way
LAST_BYTES_S = 1.0  # that those who read get theirs within, once what is left is cut off
OTHER_FILES = 64  # that a process has open beside its connections


class _Method(NamedTuple):
    """What generic handlers look at to find a method's handler."""

    method: str
    invocation_metadata: tuple[()] = ()


class Server:
    """Serves servicers of grpc.aio: `add_XServicer_to_server(servicer, server)` works as it does there.

    Their methods must be coroutines or asynchronous generators.

    Args:
        limits: Of everything that a peer can make it take.
        small: Names of services whose requests are small: `limits.max_small_message_bytes` is theirs.
        endless: Paths of methods whose calls never end by themselves, and do not hold a shutdown up.
        compression: Of answers, where the caller accepts it; a servicer can choose another.
        observer: Is told of connections and refusals.
    """

    def __init__(
        self,
        limits: Limits,
        small: Collection[str] = (),
        endless: Collection[str] = (),
        compression: grpc.Compression = grpc.Compression.NoCompression,
        observer: Observer | None = None,
    ) -> None:
        self._limits = limits
        self._small = tuple(f"/{service}/".encode() for service in small)
        self._endless = frozenset(path.encode() for path in endless)
        self._observer = observer or Nobody()
        self._executor = ThreadPoolExecutor(1, "http2")
        self._common = Common(
            limits,
            self._find,
            Budget(limits.held_bytes, limits.connection_held_bytes),
            Unread(limits),
            Turns(),
            self._observer,
            self._executor,
            ENCODING_OF.get(compression),
        )
        self._max_connections = limits.max_connections or _files() - OTHER_FILES
        self._methods: dict[bytes, Method] = {}
        self._generic: list[grpc.GenericRpcHandler] = []
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._gone = asyncio.Event()  # a connection is

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As in grpc.aio."""
        self._generic += generic_rpc_handlers

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Handler]) -> None:
        """As in grpc.aio."""
        for name, handler in method_handlers.items():
            path = f"/{service_name}/{name}".encode()
            self._methods[path] = self._method(path, handler)

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on a bound socket."""
        self._listener = await asyncio.get_running_loop().create_server(self._connect, sock=listener, backlog=BACKLOG)

    async def stop(self, grace_s: float | None) -> None:
        """Close the port, let calls in flight end for so long, then cut them off; None: at once."""
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._connections):
            connection.begin_shutdown()
        now = asyncio.get_running_loop().time
        if grace_s is not None:
            end = now() + grace_s
            await asyncio.sleep(min(LAST_CALLS_S, grace_s))
            for connection in list(self._connections):
                connection.finish_shutdown()
            await self._wait_for_connections(end)
        for connection in list(self._connections):
            connection.cut_off()
        await self._wait_for_connections(now() + LAST_BYTES_S)
        for connection in list(self._connections):
            connection.abort()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _wait_for_connections(self, end: float) -> None:
        while self._connections and (left := end - asyncio.get_running_loop().time()) > 0:
            self._gone.clear()
            try:
                await asyncio.wait_for(self._gone.wait(), left)
            except TimeoutError:
                return

    def _connect(self) -> Connection:
        return Connection(self._common, self._open, self._disconnect)

    def _open(self, connection: Connection) -> bool:
        """Whether there is room for one more connection; where there is none, one that nobody uses makes it."""
        self._connections.add(connection)
        self._observer.connection_opened()
        if len(self._connections) <= self._max_connections:
            return True
        idle = [(each.idle_since, each) for each in self._connections if each.idle_since is not None]
        _, longest = min(idle, key=lambda pair: pair[0])
        if longest is not connection:
            longest.cut_off()
        return longest is not connection

    def _disconnect(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._observer.connection_closed()
        self._gone.set()

    def _find(self, path: bytes) -> Method | None:
        if (method := self._methods.get(path)) is not None:
            return method
        details: Any = _Method(path.decode("latin-1"))
        for generic in self._generic:
            if (found := generic.service(details)) is not None:
                method = self._methods[path] = self._method(path, found)
                return method
        return None

    def _method(self, path: bytes, handler: Handler) -> Method:
        limits = self._limits
        max_bytes = limits.max_small_message_bytes if path.startswith(self._small) else limits.max_message_bytes
        observer = self._observer.method(path.decode("latin-1").removeprefix("/"))
        return Method(handler, min(max_bytes, limits.max_message_bytes), path in self._endless, observer)


def _files() -> int:
    """How many the system lets this process have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
