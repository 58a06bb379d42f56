"""What ends by time or by number, and in which words: of connections, calls, resets and pings."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import grpc
import pytest
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import PingFrame

from serving.transport.http2 import connection
from serving.transport.http2.messages import prefixed
from serving.transport.http2.server import Server
from serving.transport.observer import Nobody
from tests.serving.transport.http2.echo import LIMIT, LIMITS, PATIENCE_S, Echo, serving, with_raw_client
from tests.serving.transport.http2.raw_client import RawClient, raw_client

NEVER_S = 10 * PATIENCE_S
Code = grpc.StatusCode


async def hung_up_on(client: RawClient) -> str:
    """The words of the GOAWAY, once the server has hung up."""
    await client.hang_up()
    assert client.last_stream is not None
    return client.last_words


@pytest.mark.parametrize("sent", [b"", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_connection_that_does_not_begin_is_hung_up_on(sent: bytes) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        host, _, port = client.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        while await reader.read(65_536):
            pass
        writer.close()
        assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test, handshake_s=0.2)


def test_unused_connection_is_told_to_go() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        assert await hung_up_on(client) == ""

    with_raw_client(test, max_idle_s=0.2)


def test_connection_with_a_call_is_not_unused() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Hold")
        await client.send(call, prefixed(b"a"), is_end=True)
        await asyncio.sleep(0.5)
        echo.released.set()
        assert (await client.answer(call)).body == prefixed(b"a")
        assert await hung_up_on(client) == ""

    with_raw_client(test, max_idle_s=0.1)


def test_old_connection_takes_no_more_calls_and_finishes_those_it_has() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Hold")
        await client.send(call, prefixed(b"a"), is_end=True)
        while client.last_stream != call.stream_id:  # the second GOAWAY, which counts the calls that are taken
            await client.receive()
        echo.released.set()
        assert (await client.answer(call)).body == prefixed(b"a")
        await client.hang_up()

    with_raw_client(test, max_age_s=0.2, age_grace_s=NEVER_S)


def test_calls_of_an_old_connection_are_cut_off_after_its_grace() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Hold")
        await client.send(call, prefixed(b"a"), is_end=True)
        assert (await client.answer(call)).status is Code.UNAVAILABLE
        await client.hang_up()

    with_raw_client(test, max_age_s=0.1, age_grace_s=0.1)


@pytest.mark.parametrize("path", ["/Echo/One", "/Echo/Sum"])
def test_request_that_does_not_come_is_given_up(path: str) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin(path)
        await client.send(call, prefixed(b"abc")[:-1])
        await client.answer(call)
        assert call.status is Code.DEADLINE_EXCEEDED
        assert "7 bytes of a request message came" in call.fields["grpc-message"]
        assert (await client.ask(path, prefixed(b"a"))).status is Code.OK

    with_raw_client(test, request_s=0.2)


def test_slow_request_has_time_for_its_size() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/One")
        body = prefixed(bytes(100_000))
        await client.send(call, body[:-1])
        await asyncio.sleep(0.5)  # at 2 kB a second it may take most of a minute
        await client.send(call, body[-1:], is_end=True)
        assert (await client.answer(call)).body == body

    with_raw_client(test, request_s=0.1, request_bytes_per_s=2_000)


@pytest.mark.parametrize("held_back", [False, True])
def test_stream_may_rest_between_its_messages_and_where_its_servicer_does_not_take_them(held_back: bool) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/HoldStream")
        messages = 5 if held_back else 1
        await client.send(call, prefixed(bytes(20_000)) * messages + (prefixed(b"a")[:-1] if held_back else b""))
        await asyncio.sleep(0.5)
        assert not call.is_over
        echo.released.set()
        await client.send(call, b"a" if held_back else b"", is_end=True)
        total = 20_000 * messages + held_back
        assert (await client.answer(call)).body == prefixed(str(total).encode())

    with_raw_client(test, request_s=0.1)


def test_client_that_pings_too_often_is_told_so() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        with suppress(AssertionError):  # it hangs up
            for _ in range(6):
                await client.round_trip()
        assert await hung_up_on(client) == "too_many_pings"

    with_raw_client(test, max_ping_strikes=2)


def test_who_sends_on_after_the_end_is_read_little_and_kept_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LAST_BYTES_S", 1.0)
    at_once, most = 1 << 18, 16 << 20  # the system's buffers take some megabytes of it

    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as peer:
            peer.setblocking(False)
            host, _, port = client.address.rpartition(":")
            await loop.sock_connect(peer, (host, int(port)))
            http = H2Connection()
            http.initiate_connection()
            await loop.sock_sendall(peer, http.data_to_send())
            sent, pings = 0, PingFrame(opaque_data=bytes(8)).serialize() * (at_once // 17)
            with suppress(ConnectionError):  # it is closed in the end
                while sent < most:
                    await loop.sock_sendall(peer, pings)
                    sent += len(pings)
        assert sent < most
        assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test, max_ping_strikes=2)


def test_client_that_is_answered_may_ping() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        for _ in range(6):
            await client.round_trip()
            assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test, max_ping_strikes=1)


def test_client_that_is_silent_is_asked_and_hung_up_on_where_it_does_not_answer() -> None:
    async def run() -> None:
        limits: dict[str, Any] = {"keepalive_s": 0.2, "keepalive_timeout_s": 1}
        async with serving(**limits) as (_, _, address), raw_client(address) as client:
            for _ in range(20):  # it answers
                with suppress(TimeoutError):
                    await asyncio.wait_for(client.receive(), 0.05)
            await asyncio.sleep(2)  # and now it does not
            await client.hang_up()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def test_connection_that_nobody_uses_makes_room_for_a_new_one() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Hold")
        await client.send(call, prefixed(b"a"), is_end=True)
        await echo.waiting.wait()
        async with raw_client(client.address) as unused, raw_client(client.address) as new:
            await unused.hang_up()
            assert (await new.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")
        echo.released.set()
        assert (await client.answer(call)).body == prefixed(b"a")

    with_raw_client(test, max_connections=2)


def test_new_connection_is_told_that_there_is_no_room_where_all_are_in_use() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Hold")
        await client.send(call, prefixed(b"a"), is_end=True)
        await echo.waiting.wait()
        host, _, port = client.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        assert b"too many connections" in await reader.read()
        writer.close()
        echo.released.set()
        assert (await client.answer(call)).body == prefixed(b"a")

    with_raw_client(test, max_connections=1)


def test_client_may_cancel_thousands_of_calls() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        for _ in range(3000):
            client.reset(client.begin("/Echo/Hold"))
        assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test)


@pytest.mark.parametrize("fields", [{"a": "x" * LIMITS.max_header_bytes}, dict.fromkeys("abcdefghij", "x" * 50_000)])
def test_large_header_fields_end_their_call_alone(fields: dict[str, str]) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        held = client.begin("/Echo/Hold")
        await client.send(held, prefixed(b"kept"), is_end=True)
        client.http.remote_settings[SettingCodes.MAX_HEADER_LIST_SIZE] = 2**24
        call = await client.answer(client.begin("/Echo/One", fields, is_end=True))
        assert call.status is Code.RESOURCE_EXHAUSTED
        echo.released.set()
        assert (await client.answer(held)).body == prefixed(b"kept")

    with_raw_client(test)


def test_connection_that_breaks_the_protocol_is_told_which_calls_were_taken() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Hold")
        await client.send(call, prefixed(b"a"), is_end=True)
        await client.round_trip()
        client.flush(b"\0\0\1\0\0\0\0\0\0" + b"a")
        await client.hang_up()
        assert client.last_stream == call.stream_id

    with_raw_client(test)


@pytest.mark.parametrize("method", ["One", "Sum"])
def test_small_services_take_small_requests(method: str) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        assert (await client.ask(f"/Small/{method}", prefixed(bytes(4096)))).status is Code.OK
        call = await client.ask(f"/Small/{method}", prefixed(bytes(4097)))
        assert call.status is Code.RESOURCE_EXHAUSTED
        assert "4097 bytes is larger than the limit of 4096" in call.fields["grpc-message"]

    with_raw_client(test)


def test_stream_that_was_answered_before_its_request_ended_is_let_go() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Nothing")
        await client.answer(call)
        while call.reset is None:
            await client.receive()
        assert call.reset is ErrorCodes.NO_ERROR
        assert call.status is Code.UNIMPLEMENTED

    with_raw_client(test)


@pytest.mark.parametrize("path", ["/Echo/One", "/Echo/Many"])
def test_answer_that_nobody_reads_goes_with_its_deadline(path: str) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        client.reads = False
        call = client.begin(path, {"grpc-timeout": "300m"})
        await client.send(call, prefixed(b"1000" if path == "/Echo/Many" else bytes(LIMIT)), is_end=True)
        while call.reset is None:
            await client.receive()
        assert call.reset is ErrorCodes.CANCEL
        assert "grpc-status" not in call.fields

    with_raw_client(test, request_s=0.4)


def test_message_in_thousands_of_tiny_frames_ends_its_connection() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        async with raw_client(client.address) as other:
            call = other.begin("/Echo/One")
            await other.send(call, prefixed(bytes(100_000))[:5])
            for _ in range(5000):
                other.http.send_data(call.stream_id, b"a")
            other.flush()
            assert await hung_up_on(other) == "too many small frames"
        assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test)


def test_many_small_messages_in_frames_of_their_own_are_taken() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        call = client.begin("/Echo/Sum")
        for _ in range(5000):
            client.http.send_data(call.stream_id, prefixed(b"a"))
        client.flush()
        await client.send(call, b"", is_end=True)
        assert (await client.answer(call)).body == prefixed(b"5000")

    with_raw_client(test)


def test_long_work_of_one_connection_is_done_in_turns_with_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of no length: after each slice of what one has sent, the other is served."""

    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        monkeypatch.setattr("serving.transport.http2.turns.TURN_S", 0)
        async with raw_client(client.address) as other:
            call = other.begin("/Echo/Each")
            other.flush((b"\0\0\x06\0\0" + call.stream_id.to_bytes(4, "big") + prefixed(b"x")) * 30_000)
            reads = []
            for _ in range(10):
                await client.ask("/Echo/One", prefixed(b"a"))
                reads.append(echo.read)
            assert reads[0] < 15_000
            assert len(set(reads)) > 5

    with_raw_client(test)


def test_streams_that_their_servicers_do_not_read_hold_back_no_other() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        calls = [client.begin("/Echo/HoldStream") for _ in range(20)]
        for call in calls:
            room = client.http.local_flow_control_window(call.stream_id)
            await client.send(call, prefixed(bytes(room - 5)))
        large = prefixed(bytes(LIMIT))
        assert (await client.ask("/Echo/One", large)).body == large

    with_raw_client(test, held_bytes=32 << 20, connection_held_bytes=32 << 20)


async def _unread(client: RawClient, path: str, body: bytes, count: int) -> None:
    client.reads = False
    for _ in range(count):
        await client.send(client.begin(path), prefixed(body), is_end=True)
    await client.round_trip()


def test_connection_with_the_most_unread_answers_goes_where_all_have_too_many() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        async with raw_client(client.address) as most, raw_client(client.address) as some:
            await _unread(some, "/Echo/One", bytes(LIMIT), 1)
            with suppress(AssertionError):
                await _unread(most, "/Echo/One", bytes(LIMIT), 3)
                await _unread(client, "/Echo/One", bytes(LIMIT), 1)
            assert "left unread" in await hung_up_on(most)
            assert not some.is_gone

    with_raw_client(test, unread_bytes=7 << 20)


def test_observer_is_told_of_connections_calls_and_refusals() -> None:
    told: list[Any] = []

    class Observer(Nobody):
        def began(self, context: Any) -> Any:
            return context.peer().startswith("ipv4:127.0.0.1:")

        def ended(self, call: Any, code: grpc.StatusCode, received: int, sent: int) -> None:
            told.append((call, code, received, sent))

        def connection_opened(self) -> None:
            told.append("opened")

        def connection_closed(self) -> None:
            told.append("closed")

        def call_refused(self, path: str, code: grpc.StatusCode, reason: str, seconds: float, context: Any) -> None:
            told.append((path, code, reason))

    async def run() -> None:
        async with serving(observer=Observer()) as (_, _, address):
            async with raw_client(address) as client:
                await client.ask("/Echo/One", prefixed(b"a"))
                await client.ask("/Echo/Nothing", prefixed(b"a"))
                await client.ask("/Echo/One", prefixed(bytes(LIMIT + 1))[:5])
                await client.answer(client.begin("/Echo/One", {"large": "x" * 20_000}, is_end=True))
            while told[-1] != "closed":
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
    assert told == [
        "opened",
        (True, Code.OK, 1, 1),
        ("/Echo/Nothing", Code.UNIMPLEMENTED, "method"),
        ("/Echo/One", Code.RESOURCE_EXHAUSTED, "request"),
        ("/Echo/One", Code.RESOURCE_EXHAUSTED, "headers"),
        "closed",
    ]
