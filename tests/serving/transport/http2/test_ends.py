"""How calls and connections end before their answer: by a deadline, a reset, or bytes that are no HTTP/2."""

import asyncio
import gc
from contextlib import suppress

import grpc
import pytest

from serving.transport.http2.messages import prefixed
from tests.serving.transport.http2.echo import Echo, beside_a_neighbour, calls_in_memory
from tests.serving.transport.http2.raw_client import RawClient, raw_client

Code = grpc.StatusCode


@pytest.mark.parametrize("path", ["/Echo/One", "/Echo/HoldStream"])
@pytest.mark.parametrize("timeout", ["0S", "1n", "40m"])
def test_deadline_passes_for_a_request_that_has_not_come_whole(path: str, timeout: str) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin(path, {"grpc-timeout": timeout})
        assert (await client.answer(call)).status is Code.DEADLINE_EXCEEDED
        await client.send(call, prefixed(b"late"), is_end=True)

    beside_a_neighbour(test)


def test_call_beyond_its_deadline_ends_its_servicer() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = await client.ask("/Echo/Hold", prefixed(b"a"), {"grpc-timeout": "50m"})
        assert call.status is Code.DEADLINE_EXCEEDED
        await echo.cancelled.wait()
        assert echo.remaining == 0

    beside_a_neighbour(test)


def test_longest_timeout_is_no_shorter_than_it_says() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        for timeout, seconds in (("1000000M", 6e7), ("87599H", 87_599 * 3600.0), ("99999999H", None)):
            call = await client.ask("/Echo/One", prefixed(b"a"), {"grpc-timeout": timeout})
            assert call.status is Code.OK
            assert echo.remaining == (None if seconds is None else pytest.approx(seconds, abs=60))

    beside_a_neighbour(test)


@pytest.mark.parametrize("path", ["/Echo/Hold", "/Echo/HoldStream"])
def test_reset_ends_its_servicer_alone(path: str) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin(path)
        await client.send(call, prefixed(b"a"), is_end=path == "/Echo/Hold")
        await echo.waiting.wait()
        client.reset(call)
        await echo.cancelled.wait()

    beside_a_neighbour(test)


@pytest.mark.parametrize("path", ["/Echo/One", "/Echo/Nothing"])
def test_call_that_is_reset_in_the_same_breath_is_none(path: str) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        for content_type in ("application/grpc", "text/plain"):
            client.reset(client.begin(path, {"content-type": content_type}, is_end=True))
        await client.round_trip()

    beside_a_neighbour(test)


def test_servicer_that_does_not_let_itself_be_cancelled_ends_when_it_answers() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin("/Echo/Stubborn")
        await client.send(call, prefixed(b""), is_end=True)
        await echo.waiting.wait()
        client.reset(call)
        await echo.ended.wait()

    beside_a_neighbour(test)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100])
def test_what_is_no_http2_is_hung_up_on(data: bytes) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        host, _, port = client.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        with suppress(ConnectionResetError):
            while await reader.read(65_536):
                pass
        writer.close()

    beside_a_neighbour(test)


@pytest.mark.parametrize(
    "frame",
    [
        b"\0\0\4\x08\0\0\0\0\0" + b"\0\0\0\0",
        b"\0\0\1\0\0\0\0\0\0" + b"a",
        b"\0\0\4\3\0\0\0\x7f\xff" + b"\0\0\0\1",
        b"\xff\xff\xff\0\0\0\0\0\1",
    ],
    ids=["window update by nothing", "data of no stream", "reset of no stream", "data of 16 MB in a frame"],
)
def test_connection_that_breaks_http2_is_closed_with_its_calls_and_no_others(frame: bytes) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        async with raw_client(client.address) as other:
            call = other.begin("/Echo/Hold")
            await other.send(call, prefixed(b"a"), is_end=True)
            await echo.waiting.wait()
            other.flush(frame)
            await other.hang_up()
        await echo.cancelled.wait()

    beside_a_neighbour(test)


@pytest.mark.parametrize("path", ["/Echo/Each", "/Echo/HoldStream"])
def test_streams_that_go_with_their_connection_leave_nothing_for_the_garbage_collector(path: str) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        await client.round_trip()
        gc.collect()
        gc.disable()
        try:
            before = calls_in_memory()
            async with raw_client(client.address) as other:
                for _ in range(10):
                    other.begin(path)
                other.flush()
                await other.round_trip()
                assert calls_in_memory() == before + 10
            while calls_in_memory() > before:
                await client.round_trip()
        finally:
            gc.enable()

    beside_a_neighbour(test)
