"""grpcio's own server in the shape of `http2.server.Server`: the reference of what a gRPC server does, and a fallback.

It has the same limits where grpcio has them. docs/transports.md tells what differs.
"""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import grpc

from serving.address import UNIX, address_of
from serving.transport.limits import Limits
from serving.transport.observed import ObservedService, observed
from serving.transport.observer import Observer

Handler: TypeAlias = Any  # a grpc.RpcMethodHandler, which is generic for type checkers alone
WATCH_S = 0.5
CUT_OFF_S = 1.0  # what is left then ends with the process
NEVER_MS = 2**31 - 1  # as grpcio says it


class Server:
    """Serves servicers of grpc.aio, on a socket of its own beside the one that it is given.

    It belongs to the event loop in which it is made.

    Args:
        limits: Those that grpcio has options for.
        compression: Of answers, where the caller accepts it; a servicer can choose another.
        observer: Is told of calls. Then no method may be a coroutine that writes a stream by itself.
    """

    def __init__(
        self,
        limits: Limits,
        compression: grpc.Compression = grpc.Compression.NoCompression,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer
        seconds = {
            "max_connection_age": limits.max_age_s,
            "max_connection_age_grace": limits.age_grace_s,
            "max_connection_idle": limits.max_idle_s,
            "keepalive_time": limits.keepalive_s,
            "server_handshake_timeout": limits.handshake_s,
            "keepalive_timeout": limits.keepalive_timeout_s,
        }
        options = {
            "grpc.max_receive_message_length": limits.max_message_bytes,
            "grpc.max_concurrent_streams": limits.max_streams,
            # Between the two limits, calls are refused by chance.
            "grpc.max_metadata_size": limits.max_header_bytes,
            "grpc.absolute_max_metadata_size": limits.max_header_bytes,
            "grpc.http2.min_ping_interval_without_data_ms": round(limits.min_ping_interval_s * 1000),
            "grpc.http2.max_ping_strikes": limits.max_ping_strikes,
            "grpc.keepalive_permit_without_calls": 1,  # it asks also where no call is in flight, as http2 does
            "grpc.so_reuseport": 1,
            **{f"grpc.{name}_ms": round(limit * 1000) if limit else NEVER_MS for name, limit in seconds.items()},
        }
        self._server = grpc.aio.server(options=list(options.items()), compression=compression)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As in grpc.aio."""
        if (observer := self._observer) is not None:
            generic_rpc_handlers = [ObservedService(each, observer.method) for each in generic_rpc_handlers]
        self._server.add_generic_rpc_handlers(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Handler]) -> None:
        """As in grpc.aio."""
        handlers = dict(method_handlers)
        if (observer := self._observer) is not None:
            handlers = {
                name: observed(each, observer.method(f"{service_name}/{name}")) for name, each in handlers.items()
            }
        self._server.add_registered_method_handlers(service_name, handlers)

    async def start(self, listener: socket.socket) -> None:
        """Accept connections where a socket is bound that others may share, and that does not listen.

        Raises:
            OSError: The address cannot be listened on.
        """
        address = own = address_of(listener)
        if listener.family == socket.AF_UNIX:
            # At its end grpcio removes the file that it has made, whosever it is by then: under another name, a
            # successor's stays.
            own = f"{address}.{os.getpid()}"
        try:
            self._server.add_insecure_port(own)
        except RuntimeError as error:
            raise OSError(f"grpcio cannot listen on {own}") from error
        await self._server.start()
        if own != address:
            os.replace(own.removeprefix(UNIX), address.removeprefix(UNIX))
        self._watch = asyncio.create_task(self._end_with_the_server())

    async def stop(self, grace_s: float | None) -> None:
        """Close the port, let calls in flight end for so long, then cut them off; None: at once."""
        self._watch.cancel()
        stopping = asyncio.ensure_future(self._server.stop(grace_s))
        # What it cuts off, grpcio waits for: without a limit where the client does not read.
        await asyncio.wait((stopping,), timeout=(grace_s or 0) + CUT_OFF_S)

    async def _end_with_the_server(self) -> None:
        """End the process, for its parent to start another: at a path that is no UTF-8, grpcio's server just ends.

        It tells nobody, and `wait_for_termination` waits on.
        """
        core: Any = self._server
        while core._server.is_running():
            await asyncio.sleep(WATCH_S)
        raise SystemExit("grpcio's server has ended by itself")
