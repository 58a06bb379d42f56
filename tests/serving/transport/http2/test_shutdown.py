"""How the server stops: what it still takes, what it waits for, and for how long."""

import asyncio
from typing import Any

import grpc
import pytest

import serving.transport.http2.server
from serving.transport.http2.messages import prefixed
from serving.transport.http2.server import Server
from tests.serving.transport.http2.echo import EARLY, PATIENCE_S, Echo, status, with_raw_client, with_server
from tests.serving.transport.http2.raw_client import RawClient


def test_stopping_server_answers_what_it_has_taken_and_takes_no_more() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        held = asyncio.ensure_future(channel.unary_unary("/Echo/Hold")(b"kept"))
        await echo.waiting.wait()
        stopping = asyncio.create_task(server.stop(PATIENCE_S))
        await asyncio.sleep(0.2)
        error = await status(channel.unary_unary("/Echo/One")(b"late"))
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert not stopping.done()
        echo.released.set()
        assert await held == b"kept"
        await stopping

    with_server(test)


def test_server_without_grace_cuts_calls_off() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        held = asyncio.ensure_future(channel.unary_unary("/Echo/Hold")(b""))
        await echo.waiting.wait()
        await server.stop(None)
        assert (await status(held)).code() == grpc.StatusCode.UNAVAILABLE
        await echo.cancelled.wait()

    with_server(test)


def test_stopping_server_does_not_wait_for_a_call_without_an_end() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        held = asyncio.ensure_future(channel.unary_unary("/Echo/Endless")(b""))
        await echo.waiting.wait()
        await server.stop(10 * PATIENCE_S)
        assert (await status(held)).code() == grpc.StatusCode.UNAVAILABLE

    with_server(test)


def test_call_that_was_on_its_way_when_the_server_began_to_stop_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        stopping = asyncio.create_task(server.stop(PATIENCE_S))
        while client.last_stream is None:
            await client.receive()
        assert (await client.ask("/Echo/One", prefixed(b"late"))).body == prefixed(b"late")
        await client.hang_up()
        await stopping

    monkeypatch.setattr(serving.transport.http2.server, "LAST_CALLS_S", 0.5)  # whatever else the processor does
    with_raw_client(test)


@pytest.mark.parametrize("path", ["/Echo/Hold", "/Echo/Early"])
def test_stopping_server_hangs_up_as_soon_as_its_last_call_is_answered(path: str) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        held = client.begin(path)
        await client.send(held, prefixed(b"kept"), is_end=path == "/Echo/Hold")  # the other is answered before its end
        await echo.waiting.wait()
        stopping = asyncio.create_task(server.stop(10 * PATIENCE_S))
        while client.last_stream != held.stream_id:
            await client.receive()
        echo.released.set()
        assert (await client.answer(held)).body == prefixed(b"kept" if path == "/Echo/Hold" else EARLY)
        await client.hang_up()
        await stopping

    with_raw_client(test)


@pytest.mark.parametrize("path", ["/Echo/Many", "/Echo/Early"])
def test_slow_reader_gets_the_whole_of_its_answer_before_the_server_hangs_up(path: str) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        client.reads = False
        echo.released.set()
        call = client.begin(path)
        await client.send(call, prefixed(b"10"), is_end=path == "/Echo/Many")  # the other is answered before its end
        while client.http.inbound_flow_control_window:  # 64 kB of 160 kB
            await client.receive()
        stopping = asyncio.create_task(server.stop(PATIENCE_S))
        while client.last_stream != call.stream_id:  # the second word of the shutdown, after which calls are counted
            await client.receive()
        await client.round_trip()
        assert not stopping.done()
        client.read_on(call)
        await client.answer(call)
        assert call.status is grpc.StatusCode.OK
        assert len(call.body) == (10 * (5 + 4 * 4096) if path == "/Echo/Many" else 5 + len(EARLY))
        await client.hang_up()
        await stopping

    with_raw_client(test)


def test_reader_that_reads_no_more_holds_the_server_up_no_longer_than_the_grace() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        client.reads = False
        call = client.begin("/Echo/Many")
        await client.send(call, prefixed(b"10"), is_end=True)
        while echo.written < 10:
            await client.round_trip()
        await server.stop(0.2)
        await client.hang_up()
        assert not call.is_over

    with_raw_client(test)


def test_request_that_never_ends_is_cut_off_after_the_grace() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        half, whole = client.begin("/Echo/One"), client.begin("/Echo/HoldStream")
        await client.send(half, prefixed(b"half")[:-1])
        await echo.waiting.wait()
        await server.stop(0.2)
        for call in (half, whole):
            assert (await client.answer(call)).status is grpc.StatusCode.UNAVAILABLE
        await client.hang_up()
        await echo.cancelled.wait()

    with_raw_client(test)


def test_call_that_was_answered_before_its_request_ended_does_not_hold_the_server_up() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Nothing")  # and no end of it
        await client.answer(call)
        await server.stop(10 * PATIENCE_S)
        await client.hang_up()

    with_raw_client(test)
