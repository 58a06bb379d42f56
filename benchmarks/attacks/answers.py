"""Answers that are asked for and not read, or not waited for."""

import time
from contextlib import suppress

from benchmarks.attacks.calls import (
    GENERATE,
    GENERATE_STREAM,
    LIST,
    REFLECT,
    WATCH,
    generate,
    health,
    message,
    symbol,
)
from benchmarks.attacks.peer import OK, reset
from benchmarks.attacks.target import HurtError, Target

SYMBOL = "digits.v1.Digits"
SMALL_BUFFER = 4096  # bytes that the attacker's system takes
CANCELS_PER_S = 500
PATIENCE_S = 2.0


def unread_images(target: Target) -> None:
    """40 connections with 12 answers of 3 MB each, without a window for them."""
    for _ in range(40):
        peer = target.connect(stream_window=0, receive_buffer=SMALL_BUFFER)
        for _ in range(12):
            peer.call(GENERATE, generate(4096))
    target.hold()


def unread_sockets(target: Target) -> None:
    """8 connections with 4 answers of 3 MB each and room in their windows, that are not read, and a Watch on each."""
    peers = [target.connect(receive_buffer=SMALL_BUFFER) for _ in range(8)]
    for peer in peers:
        for seed in range(4):
            peer.call(GENERATE, generate(4096, seed))
    time.sleep(1)
    for peer in peers:
        peer.call(WATCH, health(""))
    other = target.connect()
    stream = other.call(WATCH, health(""))
    other.read(PATIENCE_S, lambda: bool(other.answers[stream].body))
    if not other.answers[stream].body:
        raise HurtError("a Watch waits for others that do not read")
    target.hold()


def watches(target: Target) -> None:
    """50 connections with 100 Watches each, of names that differ."""
    for connection in range(50):
        peer = target.connect()
        with suppress(ConnectionError):
            for number in range(100):
                peer.call(WATCH, health(f"service-{connection}-{number}"))
    target.hold()


def reflection_flood(target: Target) -> None:
    """24,000 questions for the contract on each of 20 connections, whose answers are not read."""
    questions = symbol(SYMBOL) * 24_000
    for _ in range(20):
        peer = target.connect(stream_window=0)
        with suppress(ConnectionError):
            peer.read(0.05)
            peer.send_body(peer.open(REFLECT), questions, patience_s=0.5)
    target.hold()


def reflection_streams(target: Target) -> None:
    """4,000 streams on 40 connections with 90 questions each, whose answers are not read."""
    questions = symbol(SYMBOL) * 90
    peers = [target.connect(stream_window=0) for _ in range(40)]
    for peer in peers:
        with suppress(ConnectionError):
            peer.read(0.02)
            for stream in [peer.open(REFLECT) for _ in range(100)]:
                peer.send_body(stream, questions, patience_s=0.2)
    target.hold()


def list_flood(target: Target) -> None:
    """5,000 calls of the health service's List."""
    peer = target.connect()
    stream = 0
    for _ in range(100):
        for _ in range(50):
            stream = peer.call(LIST, message(b""))
        peer.answer(stream, 5)


def cancelled_streams(target: Target) -> None:
    """500 GenerateStreams of 10,000,000 images, each cancelled after 10 ms."""
    peer = target.connect()
    for _ in range(500):
        stream = peer.call(GENERATE_STREAM, generate(10_000_000))
        peer.read(0.01)
        peer.write(reset(stream))


def cancel_storm(target: Target) -> None:
    """500 cancelled calls a second on one connection, whose other calls are to live."""
    peer = target.connect()
    start = time.monotonic()
    for number in range(5000):
        time.sleep(max(0.0, start + number / CANCELS_PER_S - time.monotonic()))
        try:
            peer.write(reset(peer.call(GENERATE, generate(200))))
            is_lost = number % 10 == 0 and peer.answer(peer.call(GENERATE, generate(1)), PATIENCE_S).status != OK
        except ConnectionError:
            is_lost = True
        if is_lost:
            raise HurtError(f"a call was lost beside {CANCELS_PER_S} cancelled ones a second")


ANSWERS = (
    unread_images,
    unread_sockets,
    watches,
    reflection_flood,
    reflection_streams,
    list_flood,
    cancelled_streams,
    cancel_storm,
)
