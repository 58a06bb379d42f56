"""Requests that never end, or that hold more than they seem to."""

import time
from contextlib import suppress
from functools import cache

from benchmarks.attacks.calls import GENERATE, SCORE, SCORE_STREAM, WATCH, compressed, generate, health, message, score
from benchmarks.attacks.peer import OK, Fields, Peer, data
from benchmarks.attacks.pictures import large_picture
from benchmarks.attacks.target import HurtError, Target

MEBIBYTE = 1 << 20
LARGEST = 16 * MEBIBYTE  # that a message may have
EXHAUSTED = 8
GZIP: Fields = (("grpc-encoding", "gzip"),)
BIG: Fields = (("x-big", "b" * 24_000),)
PATIENCE_S = 2.0  # within which the attacker's own good calls are to be answered


def unfinished_bodies(target: Target) -> None:
    """16 Scores of 16 MiB on one connection, of which all but 5 bytes come."""
    peer = target.connect()
    peer.read(0.2)
    body = message(bytes(LARGEST))[:-10]
    for stream in [peer.open(SCORE) for _ in range(16)]:
        peer.send_body(stream, body)
    target.hold()


def many_unfinished_bodies(target: Target) -> None:
    """100 Scores on each of 10 connections, of which a mebibyte comes and 15 do not."""
    body = message(bytes(LARGEST))[:MEBIBYTE]
    for _ in range(10):
        peer = target.connect()
        peer.read(0.1)
        with suppress(ConnectionError):
            for stream in [peer.open(SCORE) for _ in range(100)]:
                peer.send_body(stream, body, patience_s=0.5)
    target.hold()


def huge_names(target: Target) -> None:
    """17 health Watches on one connection, whose names have 16 MiB each."""
    peer = target.connect()
    peer.read(0.2)
    for number in range(17):
        stream = peer.open(WATCH)
        peer.send_body(stream, health(chr(97 + number) * (LARGEST - 50)), is_end=True)
    target.hold()


def slow_drip(target: Target) -> None:
    """500 connections, each with a byte of a request every 0.8 s."""
    calls = [(peer, peer.open(SCORE)) for peer in (target.connect() for _ in range(500))]
    for peer, stream in calls:
        peer.write(data(stream, b"\0\0\1\0\0"))
    while True:  # for as long as there is time
        for peer, stream in calls:
            with suppress(ConnectionError):
                peer.write(data(stream, b"x"))
        time.sleep(0.8)


def gzip_bombs(target: Target) -> None:
    """400 Scores of 17 kB that inflate to 16 MiB, or to more."""
    peer = target.connect()
    peer.read(0.2)
    stream = 0
    for size in (LARGEST + MEBIBYTE, LARGEST - 100):
        for _ in range(200):
            stream = peer.open(SCORE, GZIP)
            peer.send_body(stream, _bomb(size), is_end=True)
    peer.answer(stream, 10)


def gzip_bomb_streams(target: Target) -> None:
    """20 ScoreStreams of 60 messages, each of 16 kB that inflate to 16 MiB."""
    peer = target.connect()
    peer.read(0.2)
    for _ in range(20):
        peer.send_body(peer.open(SCORE_STREAM, GZIP), _bomb(LARGEST - 100) * 60)
    peer.read(2)


def big_metadata(target: Target) -> None:
    """24 kB of header fields every 5 ms, on a connection whose other calls are to live."""
    peer = target.connect()
    for _ in range(100):
        big, good = peer.call(GENERATE, generate(1), BIG), peer.call(GENERATE, generate(1))
        if peer.answer(good, PATIENCE_S).status != OK:
            raise HurtError("a call was lost that shared its connection with one of too many header fields")
        if peer.answer(big, PATIENCE_S).status != EXHAUSTED:
            raise HurtError("too many header fields were not answered by RESOURCE_EXHAUSTED")
        time.sleep(0.005)


def held_back_streams(target: Target) -> None:
    """18 ScoreStreams with more pictures than are taken, on a connection whose other calls are to be sent."""
    peer = target.connect()
    peer.read(0.2)
    body = score(large_picture()) * 76
    for _ in range(18):
        peer.send_body(peer.open(SCORE_STREAM), body, patience_s=0.1)
    _check_connection(peer, "held-back streams")
    target.hold()


def half_open_streams(target: Target) -> None:
    """Calls that are answered early, or at their deadline, and never end by themselves; others are to go on."""
    early = target.connect()
    unread = target.connect(stream_window=0)
    early.read(0.1)
    unread.read(0.1)
    for _ in range(10):
        for _ in range(50):
            early.open("/no.Service/Method")
            unread.call(GENERATE, generate(500), (("grpc-timeout", "50m"),))
        _check_connection(early, "half-open streams")
        unread.read(0.3)
    open_ = [stream for stream, answer in early.answers.items() if not answer.is_over]
    if open_:
        raise HurtError(f"{len(open_)} streams stay open that were answered early")
    unread.read(2.0, lambda: sum(answer.is_over for answer in unread.answers.values()) == 500)
    held = 500 - sum(answer.is_over for answer in unread.answers.values())
    if held:
        raise HurtError(f"{held} streams stay open beyond their deadline")


def _check_connection(peer: Peer, what: str) -> None:
    """A usual call, by the windows that are left."""
    stream = peer.open(GENERATE)
    body = generate(1)
    if peer.send_body(stream, body, is_end=True) < len(body):
        raise HurtError(f"{what} leave no window for another call of their connection")
    if peer.answer(stream, PATIENCE_S).status != OK:
        raise HurtError(f"a call was lost that shared its connection with {what}")


@cache
def _bomb(size: int) -> bytes:
    return compressed(score(bytes(size))[5:])


REQUESTS = (
    unfinished_bodies,
    many_unfinished_bodies,
    huge_names,
    slow_drip,
    gzip_bombs,
    gzip_bomb_streams,
    big_metadata,
    held_back_streams,
    half_open_streams,
)
