"""One connection: bytes of the socket in and out of HTTP/2, its events to calls, and its turns.

Of each turn of the event loop a connection gets little: what its peer sends is taken a slice at a time (see `Turns`),
and what is sent to it goes out a mebibyte at a time, so that thousands of others have theirs.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import grpc

from serving.transport.http2.budget import Account, Budget
from serving.transport.http2.call import Call, Handler
from serving.transport.http2.clock import Clock
from serving.transport.http2.messages import NEVER_AGAIN, Fields, MessageError
from serving.transport.http2.pings import PingStrikes
from serving.transport.http2.session import (
    ConnectionClosed,
    DataReceived,
    EndCode,
    PingReceived,
    RequestReceived,
    Session,
    SessionError,
    SettingsReceived,
    StreamClosed,
    TrailersReceived,
)
from serving.transport.http2.taken_back import TakenBack
from serving.transport.http2.turns import Rank, Turns
from serving.transport.http2.unread import Unread
from serving.transport.limits import Limits
from serving.transport.observer import CallObserver, Nobody, Observer

FIELD_BYTES = 32  # that HTTP/2 counts for each header field beside its own
SLICE_BYTES = 4096  # that HTTP/2 is given at a time: some hundred frames at most
# Where a call came in so many bytes or fewer, the next slice is small: a call is more work than its frames, and most of
# it is done when the turn is over.
CALL_BYTES, SMALL_SLICE_BYTES = 512, 256
PART_BYTES, PARTS = 64 * 1024, 16  # that are sent at a time, and in a turn
HIGH_WATER = 256 * 1024  # bytes of a stream that may wait for the caller to read
LAST_BYTES_S = 5.0  # that a peer is given to read what is left once the server hangs up
PASSED_OVER_BYTES = 1 << 20  # of what it still sends meanwhile; the rest stays with the system
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}  # a peer gone without a word is found in 2 min
NO_POST = [(b":status", b"405"), (b"allow", b"POST"), (b"content-length", b"0")]
NO_GRPC = [(b":status", b"415"), (b"content-length", b"0")]


@dataclass(frozen=True)
class Method:
    """What a path leads to.

    Attributes:
        handler: Answers.
        max_bytes: Size of a request message at most.
        is_endless: Its calls end with the connection alone.
        observer: Is told of its calls.
    """

    handler: Handler
    max_bytes: int
    is_endless: bool
    observer: CallObserver


@dataclass(frozen=True)
class Common:
    """What the connections of a server have in common.

    Attributes:
        limits: Of everything.
        find: A method by its path; None where there is none.
        budget: Of what all calls hold of their requests.
        unread: Of what all callers have not read of their answers.
        turns: Of the event loop.
        observer: Is told of connections and refusals.
        executor: Where long work is done.
        encoding: Of answers, where the caller accepts it.
    """

    limits: Limits
    find: Callable[[bytes], Method | None]
    budget: Budget
    unread: Unread
    turns: Turns
    observer: Observer
    executor: Executor
    encoding: bytes | None


class Connection(asyncio.Protocol):
    """A client's connection.

    Args:
        common: What it shares with the others.
        opened: Called when it is there; answers whether there is room for it.
        closed: Called when it is gone.
    """

    def __init__(
        self, common: Common, opened: Callable[["Connection"], bool], closed: Callable[["Connection"], None]
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.limits = common.limits
        self.account = Account(common.budget, lambda: self._calls.values())
        self.peer = ""
        self.unread_bytes = 0  # as `common.unread` has counted them
        self._common, self._opened, self._closed = common, opened, closed
        self._calls: dict[int, Call] = {}  # in flight: what is left of an answered one's request is passed over
        self._early: set[int] = set()  # streams that were answered before their request's end
        self._deadlines: dict[int, float] = {}  # of answered calls whose streams are still there
        self._session = Session(common.limits)
        self._clock = Clock(common.limits, self.loop.time())
        self._strikes = PingStrikes(common.limits)
        self._taken_back = TakenBack()
        self._tick_timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._slice_bytes = SLICE_BYTES
        self._waiting, self._taken = b"", 0  # bytes that have come, for the next turns; how many had theirs
        self._flush_is_due = False
        self._paused = False
        self._closing = False
        self._hung_up = False
        self._passed_over = 0  # bytes that came after that
        self._writers: list[asyncio.Future[None]] = []
        self._on: dict[type, Callable[[Any], None]] = {
            RequestReceived: self._request_received,
            DataReceived: self._data_received,
            TrailersReceived: self._trailers_received,
            StreamClosed: self._stream_gone,
            PingReceived: self._ping_received,
            SettingsReceived: self._settings_received,
            ConnectionClosed: self._connection_closed,
        }

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP's is one
        self._transport = transport
        transport.set_write_buffer_limits(HIGH_WATER)
        _keep_alive(transport.get_extra_info("socket"))
        self.peer = _peer(transport.get_extra_info("peername"))
        if not self._opened(self):
            self._session.send_goaway(EndCode.ENHANCE_YOUR_CALM, b"too many connections")
            self._hang_up()
            return
        self._tick_timer = self.loop.call_later(self._clock.interval_s, self._tick)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._clock.heard(self.loop.time())
        if self._hung_up:
            self._pass_over(data)
        elif self._waiting or self._taken_back.has_more:
            self._waiting += data
        else:
            self._waiting = data
            rank = self._rank(Rank.FIRST)
            if rank is Rank.FIRST and self._common.turns.begin():
                rank = self._take()
            if rank is not None:
                self._common.turns.wait(self._take, rank)
                if self._transport is not None:
                    self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._waiting = b""
        if self._tick_timer is not None:
            self._tick_timer.cancel()
        for call in list(self._calls.values()):
            call.abandon()
        self._wake_writers()
        self._common.unread.count(self, 0)
        self._closed(self)

    # What calls ask for: see `Carrier`

    def begin(self, call: Call) -> None:
        self._taken_back.begin(call)

    def send_response(self, call: Call, fields: Fields, is_end: bool = False) -> None:
        self._session.send_head(call.stream_id, fields, is_end)
        self._flush_soon()

    def send_data(self, call: Call, data: bytes) -> None:
        self._session.send_body(call.stream_id, data)
        self._count_unread(self._session.unsent_bytes())
        self._flush_soon()

    def send_trailers(self, call: Call, fields: Fields) -> None:
        self._session.send_trailers(call.stream_id, fields)
        self._flush_soon()

    def send_answer(self, call: Call, head: Fields, body: bytes, trailers: Fields) -> None:
        session, stream_id = self._session, call.stream_id
        session.send_head(stream_id, head)
        session.send_body(stream_id, body)
        session.send_trailers(stream_id, trailers)
        if self._paused:  # else it is counted when it is flushed, in this turn
            self._count_unread(session.unsent_bytes())
        self._flush_soon()

    def check_unread(self) -> None:
        self._common.unread.check(self)

    def acknowledge(self, call: Call, count: int) -> None:
        if count:
            self._session.acknowledge(call.stream_id, count)
            if self._session.has_more_to_send():  # libnghttp2 tells the peer of half a window at a time
                self._flush_soon()

    async def drain(self, call: Call) -> None:
        self._flush()
        await self._common.turns.answer(self)
        while not call.ended and (
            self._session.unsent_bytes(call.stream_id) > HIGH_WATER or self._common.unread.is_full(self)
        ):
            room = self.loop.create_future()
            self._writers.append(room)
            await room

    def reset_unsent(self, call: Call) -> bool:
        if not self._session.unsent_bytes(call.stream_id):
            return False
        self._reset(call.stream_id, EndCode.CANCEL)
        return True

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        return await self.loop.run_in_executor(self._common.executor, work)

    def refused(self, call: Call, error: MessageError) -> None:
        seconds = self.loop.time() - call.began
        self._common.observer.call_refused(call.path.decode("latin-1"), error.code, error.reason, seconds, call)

    def forget(self, call: Call) -> None:
        self._calls.pop(call.stream_id, None)
        self._taken_back.forget(call)
        if not call.cancelled():
            self._taken_back.answered()
            if not call.request_ended:
                self._early.add(call.stream_id)
            if call.deadline is not None:
                self._deadlines[call.stream_id] = call.deadline
        if not self._calls:
            self._clock.idle_since = self.loop.time()
            if self._closing:
                self.loop.call_soon(self._close_if_idle)

    # What the server asks for

    @property
    def idle_since(self) -> float | None:
        """The loop's time since when there is no call; None where there is one."""
        return None if self._calls else self._clock.idle_since

    def begin_shutdown(self) -> None:
        """Tell the client to make no more calls here; those that are on their way are still taken."""
        self._session.send_notice()
        self._flush_soon()

    def finish_shutdown(self) -> None:
        """Take no more calls, and close once those in flight have ended, of which endless ones end now."""
        self._cut_off([call for call in self._calls.values() if call.is_endless])
        self._session.send_goaway()
        self._flush_soon()
        self._closing = True
        self._close_if_idle()

    def cut_off(self) -> None:
        """End the calls in flight, and close."""
        self._cut_off(list(self._calls.values()))
        self._flush()
        self.finish_shutdown()
        self._hang_up()

    def turn_out(self, words: bytes) -> None:
        """End the connection and its calls, since it takes what others need."""
        self._session.send_goaway(EndCode.ENHANCE_YOUR_CALM, words)
        self._hang_up()

    def _cut_off(self, calls: list[Call]) -> None:
        for call in calls:
            call.cut_off(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")

    # Time

    def _tick(self) -> None:
        """Look at everything that has a limit of seconds."""
        now = self.loop.time()
        self._tick_timer = self.loop.call_later(self._clock.interval_s, self._tick)
        for call in list(self._calls.values()):
            call.look_at_clock(now)
        for stream_id in [stream_id for stream_id, deadline in self._deadlines.items() if deadline < now]:
            if self._session.unsent_bytes(stream_id):
                self._reset(stream_id, EndCode.CANCEL)
            del self._deadlines[stream_id]
        self._clock.look(now, self, is_idle=not self._calls)

    def ask_for_a_sign(self) -> None:
        """Ping the client, so that it is heard where it is there."""
        self._session.ping()
        self._flush_soon()

    def abort(self) -> None:
        """Close without a word more."""
        if self._transport is not None:
            self._transport.abort()

    # Events

    def _take(self) -> Rank | None:
        """Take a slice of what has come, or begin what waited for that; the rank of what is left, if anything is."""
        if self._waiting:
            self._take_slice()
        if self._transport is None or self._hung_up:
            return None
        if not self._waiting:
            self._taken_back.begin_few()
        if self._waiting or self._taken_back.has_more:
            return self._rank(Rank.NEXT)
        self._transport.resume_reading()
        return None

    def _rank(self, usual: Rank) -> Rank | None:
        """Of what is waiting; None where one client too many takes its calls back, and is turned out."""
        if not self._taken_back.is_habit:
            return usual
        if self._common.turns.is_crowded:
            self.turn_out(b"too many calls taken back")
            return None
        return Rank.LAST

    def _take_slice(self) -> None:
        start, self._taken = self._taken, self._taken + self._slice_bytes
        last_stream_id = self._session.last_stream_id
        try:
            self._handle(self._session.receive(self._waiting[start : self._taken]))
        except SessionError:  # no HTTP/2, or an attack
            self._fail()
        if self._hung_up or self._transport is None:
            return
        if self._session.has_more_to_send() or self.unread_bytes or self._early:  # most requests leave nothing to say
            self._flush_soon()
        calls = (self._session.last_stream_id - last_stream_id) // 2
        self._slice_bytes = SMALL_SLICE_BYTES if calls * CALL_BYTES >= self._slice_bytes else SLICE_BYTES
        if self._taken >= len(self._waiting):
            self._waiting, self._taken = b"", 0

    def _handle(self, events: list[Any]) -> None:
        for event in events:
            if (handle := self._on.get(type(event))) is not None and not self._hung_up:
                handle(event)

    def _request_received(self, event: RequestReceived) -> None:
        stream_id, fields = event.stream_id, list(event.headers)
        self._session.last_stream_id = stream_id
        named = dict(fields)
        if named.get(b":method") != b"POST" or not named.get(b"content-type", b"").startswith(b"application/grpc"):
            is_post = named.get(b":method") == b"POST"
            self._session.send_head(stream_id, NO_GRPC if is_post else NO_POST, is_end=True)
            if not event.end_stream:
                self._early.add(stream_id)
            return
        path = named.get(b":path", b"")
        method = self._common.find(path) or NOTHING
        encoding = self._common.encoding
        call = Call(self, stream_id, path, method.handler, method.observer, fields, method.max_bytes, encoding)
        self._calls[stream_id] = call
        call.is_endless = method.is_endless
        call.request_ended = event.end_stream
        try:
            self._check(method, path, fields)
        except MessageError as error:
            call.refuse(error)
            return
        call.start(named)
        if event.end_stream:
            call.receive(b"", True)

    def _check(self, method: Method, path: bytes, fields: Fields) -> None:
        """Raises MessageError for a call that is not taken, whatever comes of it."""
        size = len(b"".join(chain.from_iterable(fields))) + len(fields) * FIELD_BYTES
        if size > self.limits.max_header_bytes:
            raise MessageError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"header fields of {size} bytes are larger than the limit of {self.limits.max_header_bytes}",
                NEVER_AGAIN,
                reason="headers",
            )
        if method is NOTHING:
            raise MessageError(
                grpc.StatusCode.UNIMPLEMENTED, f"there is no method {path.decode('latin-1')}", reason="method"
            )
        self.check_unread()

    def _data_received(self, event: DataReceived) -> None:
        if (call := self._calls.get(event.stream_id)) is not None:
            if not call.receive(event.data, event.end_stream):
                self.turn_out(b"too many small frames")
        elif event.data:
            self._session.acknowledge(event.stream_id, len(event.data))

    def _trailers_received(self, event: TrailersReceived) -> None:
        if (call := self._calls.get(event.stream_id)) is not None:
            call.receive(b"", True)

    def _stream_gone(self, event: StreamClosed) -> None:
        self._early.discard(event.stream_id)
        self._deadlines.pop(event.stream_id, None)
        if (call := self._calls.get(event.stream_id)) is not None:
            self._taken_back.reset(call)
            call.abandon()

    def _ping_received(self, _: PingReceived) -> None:
        if self._strikes.pinged(self.loop.time()):
            self.turn_out(b"too_many_pings")  # the words that gRFC A8 has for it

    def _settings_received(self, _: SettingsReceived) -> None:
        self._clock.is_greeted = True

    def _connection_closed(self, _: ConnectionClosed) -> None:
        self._fail()

    # Bytes

    def _flush_soon(self) -> None:
        """Send once for all that happens at this moment."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._transport is None or self._paused or self._hung_up:
            return
        unsent = self._session.unsent_bytes()
        try:
            has_more = self._send_parts(self._transport)
            self._handle(self._session.events())
        except SessionError:
            self._fail()
            return
        if has_more and not self._paused:
            self._flush_soon()
        elif self._early and not has_more:
            self._reset_early()
        left = self._session.unsent_bytes()
        if left < unsent:
            self._strikes.sent()
        self._count_unread(left)
        self._wake_writers()

    def _send_parts(self, transport: asyncio.Transport) -> bool:
        """Send as much as a turn may; whether there may be more."""
        for _ in range(PARTS):
            part = self._session.take(PART_BYTES)
            if part:
                transport.write(part)
            if len(part) < PART_BYTES:
                return False
            if self._paused:
                break
        return True

    def _reset_early(self) -> None:
        """Let go of streams whose answers have gone: what is left of their requests is for nobody (RFC 9113, 8.1)."""
        for stream_id in [stream_id for stream_id in self._early if not self._session.unsent_bytes(stream_id)]:
            self._early.discard(stream_id)
            self._reset(stream_id, EndCode.NO_ERROR)

    def _reset(self, stream_id: int, code: EndCode) -> None:
        self._session.reset(stream_id, code)
        self._flush_soon()

    def _count_unread(self, unsent: int) -> None:
        if self._transport is not None:
            self._common.unread.count(self, unsent + self._transport.get_write_buffer_size())

    def _wake_writers(self) -> None:
        if self._writers:
            writers, self._writers = self._writers, []
            for writer in writers:
                if not writer.done():
                    writer.set_result(None)

    # The end

    def _close_if_idle(self) -> None:
        if self._calls or self._transport is None or self._hung_up:
            return
        self._flush()
        if self._session.unsent_bytes() or self._early:  # a slow reader still gets its last bytes
            self.loop.call_later(0.05, self._close_if_idle)
        else:
            self._hang_up()

    def _fail(self) -> None:
        """End the connection after its peer's mistake."""
        for call in list(self._calls.values()):
            call.abandon()
        self._hang_up()

    def _hang_up(self) -> None:
        """Send the last bytes and close; the peer has some seconds to read them."""
        if self._transport is None or self._hung_up:
            return
        self._hung_up = True
        self._waiting = b""
        if last := self._session.last_words():
            self._transport.write(last)
        for call in list(self._calls.values()):
            call.abandon()
        self._wake_writers()
        self.loop.call_later(LAST_BYTES_S, self.abort)
        self._transport.resume_reading()  # or its end would not be seen
        try:  # the peer closes: what it still sends must not end what it reads
            self._transport.write_eof()
        except OSError:  # it has gone
            self._transport.abort()

    def _pass_over(self, data: bytes) -> None:
        """Drop what came after the server hung up.

        Closing with bytes unread would reset the connection, and the peer lose the last words; so some are read. One
        who sends on and on costs no more than that: its socket is left alone until the connection is closed.
        """
        self._passed_over += len(data)
        if self._passed_over > PASSED_OVER_BYTES and self._transport is not None:
            self._transport.pause_reading()


def _peer(address: Any) -> str:
    """As grpcio writes it."""
    if not isinstance(address, tuple):
        return "unix:"
    host, port = address[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def _keep_alive(sock: Any) -> None:
    """Have the system ask from time to time whether the peer is still there."""
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # macOS has another name for the first
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


NOTHING = Method(grpc.unary_unary_rpc_method_handler(lambda *_: None), 0, is_endless=False, observer=Nobody())
