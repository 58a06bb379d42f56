"""The gRPC server against grpcio's own client: what a client of any language relies on."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import grpc
import pytest

from serving.transport.http2.server import Server
from tests.serving.transport.http2.echo import LIMIT, Echo, status, with_server


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_536, LIMIT])
def test_message_of_any_size_goes_and_comes(size: int) -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        message = bytes(range(256)) * (size // 256) + bytes(size % 256)
        assert await channel.unary_unary("/Echo/One")(message) == message

    with_server(test)


def test_many_calls_of_one_connection_at_a_time() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        one = channel.unary_unary("/Echo/One")
        messages = [str(number).encode() * 1000 for number in range(500)]
        assert await asyncio.gather(*(one(message) for message in messages)) == messages

    with_server(test)


def test_streams_of_answers_of_requests_and_of_both() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        answers = [answer async for answer in channel.unary_stream("/Echo/Many")(b"300")]
        assert answers == [number.to_bytes(4, "big") * 4096 for number in range(300)]
        requests = [bytes(size * 100) for size in range(300)]
        assert await channel.stream_unary("/Echo/Sum")(iter(requests)) == str(sum(map(len, requests))).encode()
        assert [answer async for answer in channel.stream_stream("/Echo/Each")(iter(requests))] == requests
        assert [answer async for answer in channel.stream_stream("/Echo/Each")(iter(()))] == []

    with_server(test)


def test_answer_of_a_stream_comes_before_the_next_request_is_sent() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        call = channel.stream_stream("/Echo/Each")()
        for message in (b"a", b"b", b"c"):
            await call.write(message)
            assert await call.read() == message
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF

    with_server(test)


def test_slow_reader_holds_its_stream_back_and_nobody_else() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        call = channel.unary_stream("/Echo/Many")(b"100000")  # 1.6 GB
        await call.read()
        one, before = channel.unary_unary("/Echo/One"), -1
        while echo.written != before:  # until it writes no more, though others are served all the while
            before = echo.written
            for _ in range(100):
                assert await one(b"x") == b"x"
        assert echo.written < 4000  # of 16 kB each: what fits the windows and the buffers
        call.cancel()

    with_server(test)


def test_servicer_that_does_not_read_holds_its_client_back() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        call = channel.stream_unary("/Echo/HoldStream")()
        sent = 0

        async def send() -> None:
            nonlocal sent
            for _ in range(2000):
                await call.write(bytes(16_384))
                sent += 1
            await call.done_writing()

        sending = asyncio.create_task(send())
        one, before = channel.unary_unary("/Echo/One"), -1
        while sent != before:
            before = sent
            for _ in range(100):
                await one(b"x")
        assert sent < 1000
        echo.released.set()
        await sending
        assert await call == str(2000 * 16_384).encode()

    with_server(test)


def test_refusal_has_its_status_message_and_metadata_and_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        error = await status(channel.unary_unary("/Echo/Refuse")(b""))
        assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "50 % is gone: é")
        metadata = dict(error.trailing_metadata())
        assert (metadata["why-bin"], metadata["how"]) == (b"\x00\x01", "so")

    with_server(test)
    assert caplog.records == []


def test_refusal_with_ok_is_a_mistake_of_its_servicer() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        error = await status(channel.unary_unary("/Echo/RefuseWithOk")(b""))
        assert error.code() == grpc.StatusCode.UNKNOWN
        assert "abort takes a status that is not OK" in (error.details() or "")

    with_server(test)


def test_servicer_that_cancels_itself_is_cancelled() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        assert (await status(channel.unary_unary("/Echo/Cancel")(b""))).code() == grpc.StatusCode.CANCELLED

    with_server(test)


def test_servicer_may_write_its_answers_by_itself() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        assert [answer async for answer in channel.unary_stream("/Echo/Write")(b"abc")] == [b"a", b"b", b"c"]
        assert [answer async for answer in channel.unary_stream("/Echo/Write")(b"")] == []

    with_server(test)


def test_request_is_read_as_its_kind_and_one_of_another_is_refused() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        assert await channel.unary_unary("/Echo/Number")(b"012") == b"12"
        error = await status(channel.unary_unary("/Echo/Number")(b"one"))
        assert error.code() == grpc.StatusCode.INTERNAL
        assert "no message of its kind" in (error.details() or "")

    with_server(test)


def test_peer_that_is_gone_without_a_word_is_asked_for() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        await channel.unary_unary("/Echo/One")(b"")
        (connection,) = server._connections
        peer = connection._transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1

    with_server(test)


def test_refusal_within_a_stream_comes_after_what_was_sent() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        call = channel.unary_stream("/Echo/RefuseLate")(b"")
        assert await call.read() == b"first"
        assert (await status(call.read())).code() == grpc.StatusCode.DATA_LOSS

    with_server(test)


@pytest.mark.filterwarnings("ignore")
def test_mistake_of_a_servicer_is_its_calls_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        assert (await status(channel.unary_unary("/Echo/Fail")(b""))).code() == grpc.StatusCode.UNKNOWN
        assert await channel.unary_unary("/Echo/One")(b"x") == b"x"

    with_server(test)
    assert "a mistake" in caplog.text


def test_unknown_method_is_unimplemented() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        for path in ("/Echo/Nothing", "/Nobody/One", "/"):
            error = await status(channel.unary_unary(path)(b""))
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED
            assert path in (error.details() or "")

    with_server(test)


def test_message_beyond_the_limit_is_refused_and_the_connection_lives_on() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        error = await status(channel.unary_unary("/Echo/One")(bytes(LIMIT + 1)))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await channel.unary_unary("/Echo/One")(b"x") == b"x"

    with_server(test)


def test_metadata_and_deadline_reach_the_servicer() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        await channel.unary_unary("/Echo/One")(b"", metadata=(("key", "value"), ("data-bin", b"\xff")), timeout=20)
        assert {("key", "value"), ("data-bin", b"\xff")} <= set(echo.metadata)
        assert echo.remaining is not None
        assert 0 < echo.remaining <= 21  # gRPC's clients round what they send up
        await channel.unary_unary("/Echo/One")(b"")
        assert echo.remaining is None

    with_server(test)


def test_cancelled_call_ends_its_servicer() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        call = channel.unary_unary("/Echo/Hold")(b"")
        await echo.waiting.wait()
        call.cancel()
        await echo.cancelled.wait()

    with_server(test)


def test_client_that_hangs_up_ends_its_servicers() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        call = asyncio.ensure_future(channel.unary_unary("/Echo/Hold")(b""))
        await echo.waiting.wait()
        await channel.close()
        await echo.cancelled.wait()
        with suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await call

    with_server(test)


def test_connection_that_breaks_ends_its_servicers() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        held = asyncio.ensure_future(channel.unary_unary("/Echo/Hold")(b""))
        await echo.waiting.wait()
        (connection,) = server._connections
        connection._transport.abort()  # type: ignore[union-attr]  # no word of it in HTTP/2
        await echo.cancelled.wait()
        assert (await status(held)).code() == grpc.StatusCode.UNAVAILABLE

    with_server(test)


def test_compressed_request_is_read() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            one = channel.unary_unary("/Echo/One")
            assert await one(b"a" * 10_000, compression=compression) == b"a" * 10_000

    with_server(test)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_stream_of_more_than_all_calls_may_hold_passes_as_it_is_taken(compression: grpc.Compression) -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        call = channel.stream_unary("/Echo/Sum")(iter([bytes(LIMIT)] * 5), compression=compression)
        assert await call == str(5 * LIMIT).encode()

    with_server(test)
