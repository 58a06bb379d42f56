"""Lines are written beside the calls: a reader that is slow or gone holds nobody up."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from select import PIPE_BUF
from threading import Thread
from typing import Any

import pytest

from serving.telemetry.access_log import MOST_BATCHES, MOST_LINES, AccessLog
from serving.telemetry.families import FAMILIES, UNLOGGED
from serving.telemetry.record import CallRecord
from serving.telemetry.store import Store

PATIENCE_S = 30


class Caller:
    """The context of a call."""

    def __init__(self, peer: str = "ipv4:192.0.2.1:5") -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-request-id", "mine"),)


def call(peer: str = "ipv4:192.0.2.1:5") -> CallRecord:
    record = CallRecord()
    record.context = Caller(peer)
    return record


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE_S))


def dropped(store: Store) -> float:
    return store.sums(UNLOGGED)[()][0]


def written(*calls: CallRecord) -> list[str]:
    reading, writing = os.pipe()

    async def test() -> None:
        log = AccessLog("all", "text", Store(FAMILIES, 1).slot(0).value(UNLOGGED), writing)
        for each in calls:
            log.add("Test/Echo", "OK", 0.0015, each)
        log.close()

    run(test())
    os.close(writing)
    with os.fdopen(reading) as lines:
        return lines.read().splitlines()


def test_text_line_begins_with_time_method_and_status() -> None:
    (line,) = written(call())
    time, rest = line.split(" ", 1)
    assert time.endswith("Z")
    assert rest == "Test/Echo OK total_ms=1.5 peer=ipv4:192.0.2.1:5 request_id=mine"


def test_peer_cannot_begin_a_line_of_its_own() -> None:
    (line,) = written(call("unix:/a b\nTest/Echo OK"))
    assert "peer=unix:/a?b?Test/Echo?OK " in line


def test_reader_that_reads_nothing_holds_nobody_up_and_what_is_lost_is_counted() -> None:
    reading, writing = os.pipe()
    store = Store(FAMILIES, 1)

    async def test() -> None:
        log = AccessLog("all", "text", store.slot(0).value(UNLOGGED), writing)
        for _ in range(2 * MOST_BATCHES + 2):
            for _ in range(MOST_LINES):  # of some hundred kB, where a pipe holds 64
                log.add("Test/Echo", "OK", 0.001, call())
            await asyncio.sleep(0.15)
        assert dropped(store) > 0
        log.close()

    run(test())
    os.close(reading)  # the other end stays: the thread may still be about to write to it


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pipe of packets")
def test_what_is_written_at_once_is_whole_lines_that_those_of_other_workers_do_not_mix_with() -> None:
    reading, writing = os.pipe2(os.O_DIRECT)
    packets: list[bytes] = []
    reader = Thread(target=lambda: packets.extend(iter(lambda: os.read(reading, 2 * PIPE_BUF), b"")))
    reader.start()

    async def test() -> None:
        log = AccessLog("all", "text", Store(FAMILIES, 1).slot(0).value(UNLOGGED), writing)
        for number in range(300):
            log.add(f"Test/{'a' * (number % 50)}", "OK", 0.001, call())
        log.close()

    run(test())
    os.close(writing)
    reader.join(PATIENCE_S)
    os.close(reading)
    assert all(packet.endswith(b"request_id=mine\n") for packet in packets)
    assert b"".join(packets).count(b"\n") == 300
    assert len(packets) < 20


def test_lines_beyond_the_most_between_two_flushes_are_counted_and_not_written() -> None:
    reading, writing = os.pipe()
    store = Store(FAMILIES, 1)
    lines: list[bytes] = []

    async def test() -> None:
        log = AccessLog("all", "text", store.slot(0).value(UNLOGGED), writing)
        for _ in range(MOST_LINES + 7):
            log.add("Test/Echo", "OK", 0.001, call())
        reader = asyncio.to_thread(lambda: lines.extend(os.fdopen(reading, "rb").readlines()))
        task = asyncio.create_task(reader)
        await asyncio.sleep(0)
        await asyncio.to_thread(log.close)
        os.close(writing)
        await task

    run(test())
    assert dropped(store) == 7
    assert len(lines) == MOST_LINES


def test_nobody_who_reads_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    async def test() -> None:
        log = AccessLog("all", "text", Store(FAMILIES, 1).slot(0).value(UNLOGGED), writing)
        for _ in range(3):
            log.add("Test/Echo", "OK", 0.001, call())
            await asyncio.sleep(0.15)
        log.close()

    run(test())
    os.close(writing)
