"""Calls are counted as gRFC A66 says, and logged, alike on every transport."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from serving.telemetry.access_log import AccessLog, Which
from serving.telemetry.connections import TransportObserver
from serving.telemetry.families import BYTES, DURATION, FAMILIES, RECEIVED, SENT, STARTED, UNLOGGED
from serving.telemetry.record import CURRENT, REQUEST_ID_KEY
from serving.telemetry.store import Family, Store
from tests.serving.transport.either import PATIENCE_S, TRANSPORTS, serving

on_either = pytest.mark.parametrize("transport", TRANSPORTS)


async def echo(request: bytes, context: Any) -> bytes:
    if (call := CURRENT.get()) is not None:
        call.rows, call.model, call.version, call.queue_s, call.run_s = 3, "net", "7", 0.25, 0.5
    return request * 2


async def refuse(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "no")
    return b""


async def fail(request: bytes, context: Any) -> bytes:
    raise ValueError("a fault")


waits: list[str] = []


async def wait(request: bytes, context: Any) -> bytes:
    waits.append("begun")
    try:
        await asyncio.sleep(PATIENCE_S)
    finally:
        waits.append("gone")
    return b""


async def count_up(request: bytes, context: Any) -> AsyncIterator[bytes]:
    for number in range(int(request)):
        yield bytes(number)


async def join(requests: AsyncIterator[bytes], context: Any) -> bytes:
    async def read() -> list[bytes]:
        return [request async for request in requests]

    return b"".join(await asyncio.create_task(read()))  # in a task of its own, as servicers may


async def repeat(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


METHODS: dict[str, Any] = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
    "CountUp": grpc.unary_stream_rpc_method_handler(count_up),
    "Join": grpc.stream_unary_rpc_method_handler(join),
    "Repeat": grpc.stream_stream_rpc_method_handler(repeat),
}
Test = Callable[[Any], Awaitable[None]]


def observed(
    transport: str, test: Test, which: Which = "off", is_registered: bool = False
) -> tuple[Store, list[dict[str, Any]]]:
    """Run a test with a client of a server of the methods above; what was counted, and the lines that were logged."""
    store = Store(FAMILIES, 1)
    reading, writing = os.pipe()

    async def run() -> None:
        slot = store.slot(0)
        log = AccessLog(which, "json", slot.value(UNLOGGED), writing)

        def register(server: Any) -> None:
            if is_registered:
                server.add_registered_method_handlers("Test", METHODS)
            else:
                server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Test", METHODS)])

        observer = TransportObserver(slot, log)
        async with serving(transport, register, observer) as address, grpc.aio.insecure_channel(address) as channel:
            await test(channel)
        log.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
    os.close(writing)
    with os.fdopen(reading) as lines:
        return store, [json.loads(line) for line in lines]


def ended(store: Store, family: Family) -> dict[tuple[str, ...], tuple[float, float]]:
    """How many calls, and their sum, by method and status."""
    return {labels: (sum(numbers[:-1]), numbers[-1]) for labels, numbers in store.sums(family).items()}


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    code: grpc.StatusCode = error.value.code()
    return code


async def take_back(channel: Any) -> None:
    """Cancel a call that has begun; returns once the server knows."""
    waits.clear()
    waiting = channel.unary_unary("/Test/Wait")(b"")
    while waits != ["begun"]:
        await asyncio.sleep(0.01)
    waiting.cancel()
    while waits != ["begun", "gone"]:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_registered", [False, True])
@on_either
def test_calls_are_counted_with_the_bytes_of_their_messages(transport: str, is_registered: bool) -> None:
    async def test(channel: Any) -> None:
        echo = channel.unary_unary("/Test/Echo")
        for size in (1, 1000, 3000):
            assert await echo(bytes(size)) == bytes(2 * size)

    store, _ = observed(transport, test, is_registered=is_registered)
    assert store.sums(STARTED)["Test/Echo",] == [3]
    assert ended(store, RECEIVED) == {("Test/Echo", "OK"): (3, 4001)}
    assert ended(store, SENT) == {("Test/Echo", "OK"): (3, 8002)}
    assert store.sums(RECEIVED)["Test/Echo", "OK"][BYTES.index(1024)] == 2
    (count, seconds) = ended(store, DURATION)["Test/Echo", "OK"]
    assert count == 3
    assert 0 < seconds < PATIENCE_S


@on_either
def test_all_messages_of_a_stream_are_counted_for_one_call(transport: str) -> None:
    async def test(channel: Any) -> None:
        assert [len(answer) async for answer in channel.unary_stream("/Test/CountUp")(b"5")] == [0, 1, 2, 3, 4]
        assert await channel.stream_unary("/Test/Join")(iter([b"ab", b"cde"])) == b"abcde"
        repeated = channel.stream_stream("/Test/Repeat")(iter([b"ab", b"cde"]))
        assert [answer async for answer in repeated] == [b"ab", b"cde"]

    store, _ = observed(transport, test)
    assert ended(store, RECEIVED) == {
        ("Test/CountUp", "OK"): (1, 1), ("Test/Join", "OK"): (1, 5), ("Test/Repeat", "OK"): (1, 5),
    }  # fmt: skip
    assert ended(store, SENT) == {
        ("Test/CountUp", "OK"): (1, 10), ("Test/Join", "OK"): (1, 5), ("Test/Repeat", "OK"): (1, 5),
    }  # fmt: skip


@on_either
def test_calls_that_are_refused_or_fail_have_the_status_that_their_callers_see(transport: str) -> None:
    async def test(channel: Any) -> None:
        assert await code_of(channel.unary_unary("/Test/Refuse")(b"")) is grpc.StatusCode.NOT_FOUND
        assert await code_of(channel.unary_unary("/Test/Fail")(b"")) is grpc.StatusCode.UNKNOWN

    store, _ = observed(transport, test)
    assert {labels: count for labels, (count, _) in ended(store, DURATION).items()} == {
        ("Test/Refuse", "NOT_FOUND"): 1, ("Test/Fail", "UNKNOWN"): 1,
    }  # fmt: skip


@on_either
def test_calls_that_are_taken_back_are_cancelled(transport: str) -> None:
    async def test(channel: Any) -> None:
        await take_back(channel)

    store, _ = observed(transport, test)
    counts = {labels: count for labels, (count, _) in ended(store, DURATION).items()}
    assert counts == {("Test/Wait", "CANCELLED"): 1}


def test_stream_that_is_taken_back_is_cancelled() -> None:
    async def test(channel: Any) -> None:
        stream = channel.stream_stream("/Test/Repeat")()
        await stream.write(b"one")
        assert await stream.read() == b"one"
        stream.cancel()
        await channel.unary_unary("/Test/Echo")(b"")

    # By grpcio's server it ends like one whose caller has no more to say.
    store, _ = observed("http2", test)
    assert ended(store, SENT)["Test/Repeat", "CANCELLED"] == (1, 3)


@on_either
def test_paths_that_nobody_serves_allot_no_series(transport: str) -> None:
    async def test(channel: Any) -> None:
        for number in range(5):
            assert await code_of(channel.unary_unary(f"/Test/N{number}")(b"")) is grpc.StatusCode.UNIMPLEMENTED

    store, _ = observed(transport, test)
    assert store.sums(STARTED) == {}


@on_either
def test_line_of_a_call_tells_what_came_of_it(transport: str) -> None:
    async def test(channel: Any) -> None:
        call = channel.unary_unary("/Test/Echo")(b"", metadata=((REQUEST_ID_KEY, "mine-1"),))
        await call
        assert dict(await call.trailing_metadata())[REQUEST_ID_KEY] == "mine-1"

    _, (line,) = observed(transport, test, "all")
    assert line.pop("time").endswith("Z")
    assert 0 <= line.pop("total_ms") < 1000 * PATIENCE_S
    assert line.pop("peer").startswith("ipv4:127.0.0.1:")
    assert line == {
        "level": "info", "message": "call", "method": "Test/Echo", "status": "OK", "rows": 3, "model": "net",
        "version": 7, "queue_ms": 250, "run_ms": 500, "request_id": "mine-1",
    }  # fmt: skip


@on_either
def test_caller_without_an_id_is_told_the_one_that_was_drawn(transport: str) -> None:
    told: list[str] = []

    async def test(channel: Any) -> None:
        for number in range(4):
            named = (("other", "value"), (REQUEST_ID_KEY, 'a status=OK "b"' if number % 2 else "x" * 200))
            call = channel.unary_unary("/Test/Echo")(b"", metadata=named if number else ())
            await call
            told.append(str(dict(await call.trailing_metadata())[REQUEST_ID_KEY]))

    _, lines = observed(transport, test, "all")
    assert [line["request_id"] for line in lines] == told
    assert len(set(told)) == 4
    assert all(len(drawn) == 16 for drawn in told)


@on_either
@pytest.mark.parametrize(
    ("which", "logged"),
    [
        ("off", []),
        ("errors", ["NOT_FOUND", "UNKNOWN"]),
        ("all", ["CANCELLED", "NOT_FOUND", "OK", "UNKNOWN"]),
    ],
)
def test_those_calls_are_logged_that_are_asked_for(transport: str, which: Which, logged: list[str]) -> None:
    async def test(channel: Any) -> None:
        await code_of(channel.unary_unary("/Test/Refuse")(b""))
        await code_of(channel.unary_unary("/Test/Fail")(b""))
        await channel.unary_unary("/Test/Echo")(b"")
        await take_back(channel)

    _, lines = observed(transport, test, which)
    assert sorted(line["status"] for line in lines) == logged


@on_either
def test_a_calls_record_is_its_own_also_where_another_call_began_it(transport: str) -> None:
    async def test(channel: Any) -> None:
        stream = channel.stream_stream("/Test/Repeat")(iter([b"x" * 10] * 10))
        await asyncio.gather(*(channel.unary_unary("/Test/Echo")(bytes(n)) for n in range(20)))
        assert len([answer async for answer in stream]) == 10

    store, _ = observed(transport, test)
    assert ended(store, RECEIVED) == {("Test/Repeat", "OK"): (1, 100), ("Test/Echo", "OK"): (20, 190)}
