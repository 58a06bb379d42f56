"""A client whose every frame is sent by hand, so that it can do what no well-behaved one does. h2 reads answers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import grpc
from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

FRAME_HEAD = 9  # bytes, of which the first three are the length of what follows
CODES = {code.value[0]: code for code in grpc.StatusCode}
USUAL = {
    ":method": "POST",
    ":scheme": "http",
    ":authority": "raw",
    "te": "trailers",
    "content-type": "application/grpc",
}


@dataclass
class Call:
    """What has come of a call's answer."""

    stream_id: int
    fields: dict[str, str] = field(default_factory=dict)  # of the answer's head and its trailers
    parts: list[bytes] = field(default_factory=list)  # of its body
    is_over: bool = False
    reset: ErrorCodes | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def status(self) -> grpc.StatusCode:
        return CODES[int(self.fields["grpc-status"])]


class RawClient:
    """One connection.

    Attributes:
        address: Of the server.
        http: For what this client has no method for.
        reads: Whether it lets the server send more of what it has read.
        is_gone: The server has hung up.
        last_stream: The last that the server takes, once it has sent a GOAWAY ...
        last_words: ... and what else that said.
    """

    def __init__(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.address = address
        self.http = H2Connection(H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
        self.reads = True
        self.is_gone = False
        self.last_stream: int | None = None
        self.last_words = ""
        self._reader, self._writer = reader, writer
        self._calls: dict[int, Call] = {}
        self._pongs = 0
        self._received = bytearray()  # of the next frame

    def begin(
        self,
        path: str,
        fields: Mapping[str, str | None] = MappingProxyType({}),
        more: Iterable[Any] = (),
        is_end: bool = False,
    ) -> Call:
        """A call's header fields: the usual ones with `fields` in their place, None for none, and `more` after them."""
        call = Call(self.http.get_next_available_stream_id())
        self._calls[call.stream_id] = call
        named = [(name, value) for name, value in {**USUAL, ":path": path, **fields}.items() if value is not None]
        named.sort(key=lambda pair: not pair[0].startswith(":"))
        self.http.send_headers(call.stream_id, [*named, *more], end_stream=is_end)
        self.flush()
        return call

    async def send(self, call: Call, data: bytes, is_end: bool = False) -> None:
        """Some of a call's body, as the server's windows let it; waits until all has gone.

        Of a call that was answered before its end, and whose stream the server has let go, nothing goes.
        """
        while data and call.reset is not ErrorCodes.NO_ERROR:
            room = min(self.http.local_flow_control_window(call.stream_id), self.http.max_outbound_frame_size)
            if room:
                self.http.send_data(call.stream_id, data[:room])
                data = data[room:]
                self.flush()
            else:
                await self.receive()
        if is_end and call.reset is not ErrorCodes.NO_ERROR:
            self.http.end_stream(call.stream_id)
        self.flush()
        await self._writer.drain()

    def trail(self, call: Call, fields: Iterable[tuple[str, str]]) -> None:
        """End a call's request with trailers."""
        self.http.send_headers(call.stream_id, list(fields), end_stream=True)
        self.flush()

    def reset(self, call: Call) -> None:
        self.http.reset_stream(call.stream_id, ErrorCodes.CANCEL)
        self.flush()

    async def ask(self, path: str, body: bytes, fields: Mapping[str, str | None] = MappingProxyType({})) -> Call:
        """A call as it should be, and its answer."""
        call = self.begin(path, fields)
        await self.send(call, body, is_end=True)
        return await self.answer(call)

    async def answer(self, call: Call) -> Call:
        """Wait for a call's end."""
        while not call.is_over:
            await self.receive()
        return call

    async def round_trip(self) -> None:
        """Until the server has seen all that was sent so far."""
        pongs = self._pongs
        self.http.ping(bytes(8))
        self.flush()
        while self._pongs == pongs:
            await self.receive()

    def read_on(self, call: Call) -> None:
        """Let the server send more of what was not read, after a time of no reading."""
        self.reads = True
        self.http.increment_flow_control_window(2**24, call.stream_id)
        self.http.increment_flow_control_window(2**24)
        self.flush()

    async def hang_up(self) -> None:
        """Until the server has."""
        while not self.is_gone:
            await self.receive()

    async def receive(self) -> None:
        """Whatever comes next."""
        assert not self.is_gone, "the server has hung up"
        data = b""
        with suppress(ConnectionResetError):
            data = await self._reader.read(65_536)
        self.is_gone = not data
        self._received += data
        # By the frame: h2 takes no further one after a GOAWAY, unless it is told to between the two.
        while len(self._received) >= FRAME_HEAD and len(self._received) >= (end := self._first_end()):
            for event in self.http.receive_data(bytes(self._received[:end])):
                self._note(event)
            del self._received[:end]
        self.flush()

    def _first_end(self) -> int:
        return FRAME_HEAD + int.from_bytes(self._received[:3], "big")

    def flush(self, raw: bytes = b"") -> None:
        """Send what is to be sent, and after it bytes that are of no making of h2's."""
        self._writer.write(self.http.data_to_send() + raw)

    def _note(self, event: Event) -> None:
        call = self._calls.get(getattr(event, "stream_id", 0))
        match event:
            case PingAckReceived():
                self._pongs += 1
            case ConnectionTerminated():
                self.last_stream = event.last_stream_id
                self.last_words = (event.additional_data or b"").decode()
                self.http.state_machine.state = ConnectionState.CLIENT_OPEN  # of new calls alone it is the end
            case ResponseReceived() | TrailersReceived() if call:
                call.fields |= {str(name): str(value) for name, value in event.headers}
            case DataReceived() if call:
                call.parts.append(event.data)
                if self.reads:
                    self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded() if call:
                call.is_over = True
            case StreamReset() if call:
                call.is_over, call.reset = True, ErrorCodes(event.error_code)


@asynccontextmanager
async def raw_client(address: str, receive_bytes: int | None = None) -> AsyncIterator[RawClient]:
    """A connection to a server, with a buffer of so many bytes for what it has not read."""
    host, _, port = address.rpartition(":")
    peer = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio lets the system wait for more to send
    if receive_bytes is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    peer.setblocking(False)
    await asyncio.get_running_loop().sock_connect(peer, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=peer)
    client = RawClient(address, reader, writer)
    client.http.initiate_connection()
    client.flush()
    try:
        await client.round_trip()  # and so with the server's settings
        yield client
    finally:
        writer.transport.abort()
