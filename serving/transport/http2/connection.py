"""One connection: bytes of the socket in and out of libnghttp2, and its events to calls."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import grpc
import ngh2

from serving.transport.http2.budget import ByteBudget
from serving.transport.http2.call import Call, Handler
from serving.transport.http2.messages import NEVER_AGAIN, Fields

STREAM_WINDOW = 1 << 20  # bytes of one request on their way
CONNECTION_WINDOW = 1 << 24  # of all requests of a connection
MAX_STREAMS = 1024  # calls of one connection at a time
MAX_HEADER_BYTES = 16 * 1024  # of a call's header fields
FIELD_BYTES = 32  # that HTTP/2 counts for each of them beside its own
HIGH_WATER = 256 * 1024  # bytes of a stream that may wait for the caller to read
MOST_UNREAD = 32 << 20  # bytes of all answers that may wait for it, before its next calls are refused
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # a peer gone without a word is found in 2 min
CONFIG = ngh2.Configuration(auto_window_update=False, max_inbound_header_list_size=4 * MAX_HEADER_BYTES)
SETTINGS = {
    ngh2.Setting.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    ngh2.Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
    ngh2.Setting.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
}
NO_GRPC = [(b":status", b"415"), (b"content-length", b"0")]


class Connection(asyncio.Protocol):
    """A client's connection.

    Args:
        find: A method's handler by its path, `/service/method`; None where there is none.
        max_bytes: Size of a request message at most.
        budget: Of what all calls hold of their requests.
        endless: Paths of methods whose calls end with the connection alone.
        closed: Called when the connection is gone.
    """

    def __init__(
        self,
        find: Callable[[bytes], Handler | None],
        max_bytes: int,
        budget: ByteBudget,
        endless: frozenset[bytes],
        closed: Callable[["Connection"], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._find, self._max_bytes, self._budget, self._closed = find, max_bytes, budget, closed
        self._endless = endless
        self._calls: dict[int, Call] = {}  # in flight: what is left of an answered one's request is passed over
        self._session = ngh2.Connection(ngh2.Role.SERVER, CONFIG)
        self._transport: asyncio.Transport | None = None
        self._flush_is_due = False
        self._paused = False
        self._closing = False
        self._writers: list[asyncio.Future[None]] = []
        self._on: dict[type, Callable[[Any], None]] = {
            ngh2.RequestReceived: self._request_received,
            ngh2.DataReceived: self._data_received,
            ngh2.TrailersReceived: self._trailers_received,
            ngh2.StreamClosed: self._stream_gone,
            ngh2.ConnectionClosed: self._connection_closed,
        }

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP's is one
        self._transport = transport
        transport.set_write_buffer_limits(HIGH_WATER)
        _keep_alive(transport.get_extra_info("socket"))
        self._session.initiate_connection(SETTINGS)
        self._session.set_local_window_size(CONNECTION_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            self._session.receive_data(data)
        except ngh2.NGH2Error:  # no HTTP/2, or an attack
            self._abort()
            return
        self._handle_events()
        self._flush_soon()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        for call in list(self._calls.values()):
            call.abandon()
        self._wake_writers()
        self._closed(self)

    # What calls ask for: see `Carrier`

    def send_response(self, call: Call, fields: Fields, is_end: bool = False) -> None:
        self._try(self._session.send_response, call.stream_id, fields, end_stream=is_end)

    def send_data(self, call: Call, data: bytes) -> None:
        self._try(self._session.send_data, call.stream_id, data)

    def send_trailers(self, call: Call, fields: Fields) -> None:
        self._try(self._session.send_trailers, call.stream_id, fields)

    def acknowledge(self, call: Call, count: int) -> None:
        if count:
            self._try(self._session.acknowledge_received_data, count, call.stream_id)

    async def drain(self, call: Call) -> None:
        self._flush()
        while not call.ended and self._session.queued_body_size(call.stream_id) > HIGH_WATER:
            room = self.loop.create_future()
            self._writers.append(room)
            await room

    def forget(self, call: Call) -> None:
        self._calls.pop(call.stream_id, None)
        if self._closing and not self._calls:
            self.loop.call_soon(self._close_if_idle)

    # What the server asks for

    def begin_shutdown(self) -> None:
        """Tell the client to make no more calls here; those that are on their way are still taken."""
        self._try(self._session.send_shutdown_notice)

    def finish_shutdown(self) -> None:
        """Take no more calls, and close once those in flight have ended, of which endless ones end now."""
        self._cut_off([call for call in self._calls.values() if call.is_endless])
        self._try(self._session.send_goaway)
        self._closing = True
        self._close_if_idle()

    def cut_off(self) -> None:
        """End the calls in flight, and close."""
        self._cut_off(list(self._calls.values()))
        self.finish_shutdown()
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _cut_off(self, calls: list[Call]) -> None:
        for call in calls:
            call.cut_off(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")

    # Events

    def _handle_events(self) -> None:
        while events := self._session.events():
            for event in events:
                if (handle := self._on.get(type(event))) is not None:
                    handle(event)

    def _request_received(self, event: ngh2.RequestReceived) -> None:
        stream_id, fields = event.stream_id, list(event.headers)
        named = dict(fields)
        if named.get(b":method") != b"POST" or not named.get(b"content-type", b"").startswith(b"application/grpc"):
            self._try(self._session.send_response, stream_id, NO_GRPC, end_stream=True)
            return
        path = named.get(b":path", b"")
        handler = self._find(path)
        call = Call(self, stream_id, handler or NOTHING, fields, self._max_bytes, self._budget)
        self._calls[stream_id] = call
        call.is_endless = path in self._endless
        if (size := sum([len(name) + len(value) + FIELD_BYTES for name, value in fields])) > MAX_HEADER_BYTES:
            call.cut_off(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"header fields of {size} bytes are larger than the limit of {MAX_HEADER_BYTES}",
                NEVER_AGAIN,
            )
        elif handler is None:
            call.cut_off(grpc.StatusCode.UNIMPLEMENTED, f"there is no method {path.decode('latin-1')}")
        elif (unread := self._session.queued_body_size()) > MOST_UNREAD:
            call.cut_off(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{unread} bytes of answers wait to be read on this connection, and {MOST_UNREAD} may; read them first",
            )
        else:
            call.start()
            if event.end_stream:
                call.receive(b"", True)

    def _data_received(self, event: ngh2.DataReceived) -> None:
        if (call := self._calls.get(event.stream_id)) is not None:
            call.receive(event.data, event.end_stream)
        elif event.data:
            self._try(self._session.acknowledge_received_data, len(event.data), event.stream_id)

    def _trailers_received(self, event: ngh2.TrailersReceived) -> None:
        if (call := self._calls.get(event.stream_id)) is not None:
            call.receive(b"", True)

    def _stream_gone(self, event: ngh2.StreamClosed) -> None:
        if (call := self._calls.get(event.stream_id)) is not None:
            call.abandon()

    def _connection_closed(self, _: ngh2.ConnectionClosed) -> None:
        if self._transport is not None:  # after its last bytes
            self.loop.call_soon(self._transport.close)

    # Bytes

    def _flush_soon(self) -> None:
        """Send once for all that happens at this moment."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._transport is None or self._paused:
            return
        try:
            data = self._session.data_to_send()
        except ngh2.NGH2Error:
            self._abort()
            return
        if data:
            self._transport.write(data)
        self._handle_events()
        self._wake_writers()

    def _wake_writers(self) -> None:
        if self._writers:
            writers, self._writers = self._writers, []
            for writer in writers:
                if not writer.done():
                    writer.set_result(None)

    def _try(self, act: Callable[..., object], *arguments: Any, **named: Any) -> None:
        """Ask the session for something that a client who has gone may have made impossible."""
        try:
            act(*arguments, **named)
        except ngh2.NGH2Error:
            return
        self._flush_soon()

    def _close_if_idle(self) -> None:
        if self._calls or self._transport is None:
            return
        self._flush()
        if self._transport is not None and not self._session.queued_body_size():
            self._transport.close()
        else:  # a slow reader still gets its last bytes
            self.loop.call_later(0.05, self._close_if_idle)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _keep_alive(sock: Any) -> None:
    """Have the system ask from time to time whether the peer is still there."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # macOS has another name for the first
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


NOTHING: Handler = grpc.unary_unary_rpc_method_handler(lambda *_: None)
