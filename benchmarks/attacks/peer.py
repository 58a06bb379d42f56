"""A peer that speaks HTTP/2 frame by frame, so that it can send what no well-behaved client does.

It keeps to the server's windows in `send_body` alone, and reads only where it is told to.
"""

import socket
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from time import monotonic

from hpack import Decoder, Encoder, NeverIndexedHeaderTuple
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

HOST = "127.0.0.1"  # never another
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD = 9  # bytes
FRAME_BYTES = 16_384  # of a frame at most, as the server's settings have it
INITIAL_WINDOW = 65_535
LARGE_WINDOW = 1 << 30
CANCEL = 8
OK = 0
Fields = tuple[tuple[str, str], ...]


class TimeUpError(Exception):
    """The attack has had its time."""


@dataclass
class Answer:
    """What has come of a call's answer."""

    fields: dict[str, str] = field(default_factory=dict)  # of its head and its trailers
    body: bytearray = field(default_factory=bytearray)
    is_over: bool = False
    reset: int | None = None  # with this code

    @property
    def status(self) -> int | None:
        """As gRPC numbers them; None where there is none."""
        status = self.fields.get("grpc-status")
        return None if status is None else int(status)


@lru_cache(64)
def header_block(path: str, more: Fields = (), without: tuple[str, ...] = ()) -> bytes:
    """A call's header fields, none of which the server's table is to keep: so it is the same for any stream."""
    usual = (
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", HOST), ("te", "trailers"),
        ("content-type", "application/grpc"),
    )  # fmt: skip
    fields = [NeverIndexedHeaderTuple(*pair) for pair in usual + more if pair[0] not in without]
    return bytes(Encoder().encode(fields))


def headers(stream_id: int, block: bytes, is_end: bool = False) -> bytes:
    """A header block in as many frames as it takes."""
    first = HeadersFrame(stream_id, block[:FRAME_BYTES])
    frames: list[Frame] = [first]
    frames += [
        ContinuationFrame(stream_id, block[start : start + FRAME_BYTES])
        for start in range(FRAME_BYTES, len(block), FRAME_BYTES)
    ]
    frames[-1].flags.add("END_HEADERS")
    if is_end:
        first.flags.add("END_STREAM")
    return b"".join(frame.serialize() for frame in frames)


def data(stream_id: int, body: bytes = b"", is_end: bool = False) -> bytes:
    """A frame of a call's body."""
    frame = DataFrame(stream_id, body)
    if is_end:
        frame.flags.add("END_STREAM")
    return frame.serialize()


def reset(stream_id: int, code: int = CANCEL) -> bytes:
    """The end of a stream."""
    return RstStreamFrame(stream_id, error_code=code).serialize()


def window_update(stream_id: int, increment: int) -> bytes:
    """More that the server may send."""
    return WindowUpdateFrame(stream_id, window_increment=increment).serialize()


class Peer:
    """One connection.

    Whatever is sent may raise ConnectionError, where the server has ended the connection, and TimeUpError.

    Args:
        port: Of the server.
        deadline: By `time.monotonic`; nothing goes on beyond it.
        stream_window: Bytes of each answer that the server may send before it is let send more.
        receive_buffer: Of the socket, in bytes; 0: as the system has it.
        greets: Whether it begins with what HTTP/2 begins with.

    Attributes:
        answers: By their streams.
        end: The server's last GOAWAY.
        is_gone: The server has ended the connection.
    """

    def __init__(
        self,
        port: int,
        deadline: float,
        stream_window: int = LARGE_WINDOW,
        receive_buffer: int = 0,
        greets: bool = True,
    ) -> None:
        self.answers: dict[int, Answer] = defaultdict(Answer)
        self.end: GoAwayFrame | None = None
        self.is_gone = False
        self._deadline = deadline
        self._next_stream = 1
        self._received = b""
        self._decoder = Decoder()
        self._window, self._initial_window = INITIAL_WINDOW, INITIAL_WINDOW  # that the server gives
        self._windows: dict[int, int] = {}
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._connect(port)
            if greets:
                settings = SettingsFrame(settings={SettingsFrame.INITIAL_WINDOW_SIZE: stream_window})
                self.write(PREFACE + settings.serialize() + window_update(0, LARGE_WINDOW))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Go."""
        self._socket.close()

    def _connect(self, port: int) -> None:
        self._socket.settimeout(self._left())
        try:
            self._socket.connect((HOST, port))
        except TimeoutError as error:
            raise TimeUpError from error

    # Out

    def write(self, frames: bytes, patience_s: float = inf) -> None:
        """Send bytes as they are; where the server does not take them for so long, that is an end as well."""
        try:
            self._socket.settimeout(min(self._left(), patience_s))
            self._socket.sendall(frames)
        except TimeoutError as error:
            self._left()
            raise ConnectionError("the server reads no more") from error
        except OSError as error:
            self.is_gone = True
            raise ConnectionError(str(error)) from error

    def next_stream(self) -> int:
        """A stream's number that was not used yet."""
        self._next_stream += 2
        return self._next_stream - 2

    def open(self, path: str, more: Fields = (), is_end: bool = False) -> int:
        """Send a call's header fields; its stream."""
        stream_id = self.next_stream()
        self.write(headers(stream_id, header_block(path, more), is_end))
        return stream_id

    def call(self, path: str, body: bytes, more: Fields = ()) -> int:
        """Send a small call whole and at once, whatever the windows; its stream."""
        stream_id = self.next_stream()
        self.write(headers(stream_id, header_block(path, more)) + data(stream_id, body, is_end=True))
        return stream_id

    def send_body(self, stream_id: int, body: bytes, is_end: bool = False, patience_s: float = 2.0) -> int:
        """As the server's windows let it.

        Returns:
            How many bytes went: fewer where the call is over, or the server gave no room for so long.
        """
        self._windows.setdefault(stream_id, self._initial_window)
        sent, stuck = 0, monotonic() + patience_s
        while sent < len(body) and not self.answers[stream_id].is_over and monotonic() < stuck:
            room = min(self._window, self._windows[stream_id], FRAME_BYTES, len(body) - sent)
            if room <= 0:
                self.read(0.05)
                continue
            self.write(data(stream_id, body[sent : sent + room], is_end and sent + room == len(body)))
            sent += room
            self._window -= room
            self._windows[stream_id] -= room
            stuck = monotonic() + patience_s
            self.read()
        return sent

    # In

    def answer(self, stream_id: int, seconds: float) -> Answer:
        """A call's answer, whole or what has come of it in time."""
        answer = self.answers[stream_id]
        self.read(seconds, lambda: answer.is_over)
        return answer

    def read(self, seconds: float = 0.0, until: Callable[[], bool] = lambda: False) -> None:
        """Take what comes for so long, until something holds or the connection ends; no time: what has come.

        Raises:
            TimeUpError: The attack has had its time.
        """
        end = monotonic() + seconds
        while not self.is_gone and not until():
            left = end - monotonic()
            if left <= 0 < seconds:
                return
            self._socket.settimeout(min(max(left, 0.0), self._left()))
            try:
                came = self._socket.recv(1 << 18)
            except (TimeoutError, BlockingIOError):
                self._left()  # where it was this that ended
                return
            except OSError:
                came = b""
            self.is_gone = not came
            self._received += came
            self._take_frames()

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeUpError
        return left

    def _take_frames(self) -> None:
        start = 0
        while len(self._received) - start >= FRAME_HEAD:
            frame, length = Frame.parse_frame_header(memoryview(self._received[start : start + FRAME_HEAD]))
            end = start + FRAME_HEAD + length
            if len(self._received) < end:
                break
            frame.parse_body(memoryview(self._received[start + FRAME_HEAD : end]))
            start = end
            self._take(frame)
        self._received = self._received[start:]

    def _take(self, frame: Frame) -> None:
        match frame:
            case HeadersFrame():
                self.answers[frame.stream_id].fields |= {
                    name.decode(): value.decode() for name, value in self._decoder.decode(frame.data, raw=True)
                }
            case DataFrame():
                self.answers[frame.stream_id].body += frame.data
            case RstStreamFrame():
                self.answers[frame.stream_id].reset = frame.error_code
                self.answers[frame.stream_id].is_over = True
            case GoAwayFrame():
                self.end = frame
            case SettingsFrame() if "ACK" not in frame.flags:
                self._take_settings(frame)
            case WindowUpdateFrame(stream_id=0):
                self._window += frame.window_increment
            case WindowUpdateFrame() if frame.stream_id in self._windows:
                self._windows[frame.stream_id] += frame.window_increment
        if "END_STREAM" in frame.flags:
            self.answers[frame.stream_id].is_over = True

    def _take_settings(self, frame: SettingsFrame) -> None:
        window = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE)
        if window is not None:
            for stream_id in self._windows:
                self._windows[stream_id] += window - self._initial_window
            self._initial_window = window
        with suppress(ConnectionError):
            self.write(SettingsFrame(flags=("ACK",)).serialize())
