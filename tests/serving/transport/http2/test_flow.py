"""How much of anything a client can have the server hold: windows that do not leak, and memory that has bounds."""

import gc
import gzip
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import grpc
import pytest
from h2.settings import SettingCodes

from serving.transport.http2.connection import SLICE_BYTES, SMALL_SLICE_BYTES
from serving.transport.http2.messages import prefixed
from serving.transport.http2.server import Server
from serving.transport.http2.session import STREAM_WINDOW, Session
from tests.serving.transport.http2.echo import LIMIT, LIMITS, Echo, with_raw_client
from tests.serving.transport.http2.raw_client import Call, RawClient, raw_client

FRAME = 16_384
TOO_LARGE = prefixed(bytes(LIMIT + 1))[:FRAME]
ONE_AND_SUM = ("/Echo/One", "/Echo/Sum")
CONNECTION_WINDOW = LIMITS.max_streams * STREAM_WINDOW
FRAMES = CONNECTION_WINDOW // FRAME + 1  # more than a connection's window holds


@pytest.fixture
def _no_garbage_is_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def _answered_before_they_come(client: RawClient) -> None:
    for path, content_type in (("/Echo/Nothing", "application/grpc"), ("/Echo/One", "text/plain")):
        for _ in range(10):
            call = client.begin(path, {"content-type": content_type})
            await client.answer(call)
            await client.send(call, bytes(FRAMES // 10 * FRAME), is_end=True)


async def _too_large(client: RawClient, path: str) -> None:
    for _ in range(FRAMES):
        call = client.begin(path)
        await client.send(call, TOO_LARGE, is_end=True)
        await client.answer(call)


async def _too_much(client: RawClient, path: str) -> None:
    calls = [client.begin(path) for _ in range(12)]
    for call in calls:
        await client.send(call, prefixed(bytes(LIMIT))[:-1])
    await client.round_trip()
    refused = [call for call in calls if call.is_over]
    assert len(refused) > len(calls) // 2
    assert {call.status for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    for call in calls:
        if not call.is_over:
            client.reset(call)


async def _reset_half_way(client: RawClient, path: str) -> None:
    for _ in range(20):
        call = client.begin(path)
        await client.send(call, prefixed(bytes(LIMIT))[: 2**20])
        client.reset(call)


async def _reset_before_they_are_taken(client: RawClient) -> None:
    for _ in range(20):
        call = client.begin("/Echo/HoldStream")
        await client.send(call, prefixed(bytes(FRAME)) * 31)
        client.reset(call)


async def _late_before_they_are_taken(client: RawClient) -> None:
    for _ in range(20):
        call = client.begin("/Echo/HoldStream", {"grpc-timeout": "20m"})
        await client.send(call, prefixed(bytes(FRAME)) * 31)
        await client.answer(call)
        await client.send(call, prefixed(bytes(FRAME)), is_end=True)


@pytest.mark.parametrize(
    "waste",
    [
        _answered_before_they_come,
        *(partial(waste, path=path) for waste in (_too_large, _too_much, _reset_half_way) for path in ONE_AND_SUM),
        _reset_before_they_are_taken,
        _late_before_they_are_taken,
    ],
    ids=[
        "answered before they come",
        *(f"{what} {path}" for what in ("too large", "too much", "reset half way") for path in ONE_AND_SUM),
        "reset before they are taken",
        "late before they are taken",
    ],
)
def test_calls_that_came_to_nothing_leave_the_connection_its_window_and_the_server_its_room(
    waste: Callable[[RawClient], Awaitable[None]],
) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        await waste(client)
        assert (await client.ask("/Echo/Sum", prefixed(bytes(LIMIT)))).body == prefixed(str(LIMIT).encode())
        assert len((await client.ask("/Echo/One", prefixed(bytes(LIMIT)))).body) == LIMIT + 5

    with_raw_client(test)


@pytest.mark.usefixtures("_no_garbage_is_collected")
@pytest.mark.parametrize(
    ("path", "begun", "wrong"),
    [
        ("/Echo/Hold", prefixed(bytes(LIMIT))[:-1], b"\0" + prefixed(b"")),
        ("/Echo/Sum", prefixed(bytes(LIMIT))[:-1], b"\0" + TOO_LARGE),
        ("/Echo/HoldStream", prefixed(bytes(2**17)) * 3, TOO_LARGE),
    ],
    ids=["one", "stream", "stream that is not taken"],
)
@pytest.mark.parametrize("end", ["reset", "deadline", "refusal"])
def test_what_came_of_a_request_goes_with_its_call(path: str, begun: bytes, wrong: bytes, end: str) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        for _ in range(12):
            call = client.begin(path, {"grpc-timeout": "50m" if end == "deadline" else None})
            await client.send(call, begun)
            if end == "reset":
                client.reset(call)
                await client.round_trip()
            else:  # and the client leaves its stream open
                if end == "refusal":
                    await client.send(call, wrong)
                await client.answer(call)
        assert tracemalloc.get_traced_memory()[0] < 4 * LIMIT

    tracemalloc.start()
    try:
        with_raw_client(test)
    finally:
        tracemalloc.stop()


def test_bomb_is_not_inflated_beyond_the_limit() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        bomb = gzip.compress(bytes(20 * LIMIT))
        for path in ONE_AND_SUM:
            tracemalloc.start()
            try:
                call = await client.ask(path, b"\1" + prefixed(bomb)[1:], {"grpc-encoding": "gzip"})
                assert tracemalloc.get_traced_memory()[1] < 5 * LIMIT
            finally:
                tracemalloc.stop()
            assert call.status is grpc.StatusCode.RESOURCE_EXHAUSTED

    with_raw_client(test)


def test_client_of_a_servicer_that_does_not_read_is_held_back_however_small_its_messages() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/HoldStream")
        window = client.http.local_flow_control_window(call.stream_id)
        await client.send(call, prefixed(b"") * (window // 5))
        await client.round_trip()
        assert client.http.local_flow_control_window(call.stream_id) < window // 2
        echo.released.set()
        await client.send(call, prefixed(b"") * (window // 5), is_end=True)
        assert (await client.answer(call)).body == prefixed(b"0")

    with_raw_client(test, held_bytes=2**26, connection_held_bytes=2**26)


def test_empty_messages_that_wait_count_with_what_they_take() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        calls = [client.begin("/Echo/HoldStream") for _ in range(8)]
        for call in calls:
            await client.send(call, prefixed(b"") * 10_000)
        await client.round_trip()
        refused = [call for call in calls if call.is_over]
        assert 0 < len(refused) < 8
        assert all(call.status is grpc.StatusCode.RESOURCE_EXHAUSTED for call in refused)

    with_raw_client(test)


def test_connection_that_reads_no_answers_is_refused_more_of_them() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        calls: list[Call] = []
        client.reads = False
        while not calls or not calls[-1].is_over:
            calls.append(client.begin("/Echo/One"))
            await client.send(calls[-1], prefixed(bytes(LIMIT)), is_end=True)
            while not calls[-1].fields:
                await client.receive()
        assert calls[-1].status is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "read them first" in calls[-1].fields["grpc-message"]
        assert LIMITS.connection_unread_bytes // LIMIT <= len(calls) - 1 <= LIMITS.connection_unread_bytes // LIMIT + 2
        async with raw_client(client.address) as other:
            assert (await other.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")
        for call in calls[:-1]:
            client.read_on(call)
        for call in calls[:-1]:
            assert len((await client.answer(call)).body) == LIMIT + 5
        assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test)


def test_reader_of_nothing_ends_the_servicer_that_waits_for_it_by_its_reset() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        client.reads = False
        call = client.begin("/Echo/Many")
        await client.send(call, prefixed(b"100000"), is_end=True)
        await client.round_trip()
        before = -1
        while echo.written != before:
            before = echo.written
            await client.round_trip()
        assert echo.written < 32  # of 16 kB each: the stream's window, and what may wait for it
        client.reset(call)
        await echo.ended.wait()
        assert echo.written == before

    with_raw_client(test)


def test_client_that_does_not_read_its_socket_holds_its_servicer_back_until_it_does() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        async with raw_client(client.address, receive_bytes=2**16) as slow:
            call = slow.begin("/Echo/Many")
            slow.read_on(call)  # 16 MB at once, as far as HTTP/2 is concerned
            await slow.send(call, prefixed(b"1200"), is_end=True)
            before = -1
            while echo.written != before or not before:
                before = echo.written
                for _ in range(20):
                    assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")
            assert echo.written < 600  # of 16 kB each: what the system's and the server's buffers hold
            assert len((await slow.answer(call)).body) == 1200 * (5 + 4 * 4096)

    with_raw_client(test)


@pytest.mark.parametrize("with_resets", [True, False])
def test_flood_of_calls_is_hung_up_on(with_resets: bool) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        async with raw_client(client.address) as other:
            other.http.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 10 * LIMITS.max_streams
            other.http.remote_settings.acknowledge()
            for _ in range(LIMITS.max_streams + 100):
                call = other.begin("/Echo/Hold")
                if with_resets:
                    other.reset(call)
            await other.hang_up()
        assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test, max_resets_per_s=5)


def test_as_many_calls_at_a_time_as_the_server_says_are_answered() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        assert client.http.remote_settings.max_concurrent_streams == LIMITS.max_streams
        calls = [client.begin("/Echo/Hold") for _ in range(LIMITS.max_streams)]
        for call in calls:
            await client.send(call, prefixed(b"a"), is_end=True)
        echo.released.set()
        for call in calls:
            assert (await client.answer(call)).body == prefixed(b"a")

    with_raw_client(test)


def test_where_calls_come_dense_the_next_slices_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    slices: list[int] = []
    take = Session.receive

    def receive(self: Session, data: bytes) -> list[Any]:
        slices.append(len(data))
        return take(self, data)

    monkeypatch.setattr(Session, "receive", receive)

    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        await client.round_trip()
        slices.clear()
        flush, nothing = client.flush, lambda _raw=b"": None
        client.flush = nothing  # type: ignore[method-assign]  # so that all comes at once
        calls = []
        for _ in range(LIMITS.max_streams - 1):
            calls.append(client.begin("/Echo/One"))
            client.http.send_data(calls[-1].stream_id, prefixed(b"a" * 100), end_stream=True)
        client.http.send_data(client.begin("/Echo/One").stream_id, prefixed(bytes(3 * FRAME))[:FRAME])
        client.flush = flush  # type: ignore[method-assign]
        client.flush()
        for call in calls:
            assert (await client.answer(call)).body == prefixed(b"a" * 100)
        # The first calls, then small slices for as long as calls begin, and large ones again for what has no call.
        assert slices[0] == SLICE_BYTES
        assert slices[1:4] == [SMALL_SLICE_BYTES] * 3
        assert slices[-1] <= SLICE_BYTES
        assert max(slices[4:]) == SLICE_BYTES

    with_raw_client(test)


def test_messages_that_wait_are_no_objects_each() -> None:
    waiting = 300

    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        calls = [client.begin("/Echo/HoldStream") for _ in range(50)]
        await client.round_trip()
        gc.collect()
        tracemalloc.start()
        for call in calls:
            await client.send(call, prefixed(bytes(20)) * waiting)
        await client.round_trip()
        found = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/http2/*_stream.py")])
        found_in_blocks = sum(each.count for each in found.statistics("filename"))
        assert found_in_blocks < 50 * waiting / 10
        tracemalloc.stop()
        echo.released.set()
        for call in calls:
            await client.send(call, b"", is_end=True)
            assert (await client.answer(call)).body == prefixed(str(20 * waiting).encode())

    with_raw_client(test, held_bytes=2**26, connection_held_bytes=2**26)
