"""The gRPC server against grpcio's own client: what a client of any language relies on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc
import ngh2
import pytest

from serving.process.port import address_of, reserve
from serving.transport.http2.messages import prefixed
from serving.transport.http2.server import Server

PATIENCE_S = 30
LIMIT = 2 * 2**20


class Echo:
    """A servicer of bytes with all four kinds of methods, and what its calls have seen."""

    def __init__(self) -> None:
        self.written = self.read = 0
        self.cancelled = asyncio.Event()
        self.waiting = asyncio.Event()
        self.released = asyncio.Event()
        self.metadata: Any = None
        self.remaining: float | None = None

    async def One(self, request: bytes, context: Any) -> bytes:
        self.metadata, self.remaining = context.invocation_metadata(), context.time_remaining()
        return request

    async def Many(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield number.to_bytes(4, "big") * 4096
            self.written += 1

    async def Sum(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return str(sum([len(request) async for request in requests])).encode()

    async def Each(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            self.read += 1
            yield request

    async def Hold(self, request: bytes, context: Any) -> bytes:
        self.waiting.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return request

    Endless = Hold

    async def HoldStream(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        await self.released.wait()
        return str(sum([len(request) async for request in requests])).encode()

    async def Refuse(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.DATA_LOSS, "50 % is gone: é", (("why-bin", b"\x00\x01"), ("how", "so")))
        raise AssertionError("abort returns never")

    async def RefuseLate(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        await context.abort(grpc.StatusCode.DATA_LOSS, "later")

    async def Fail(self, request: bytes, context: Any) -> bytes:
        raise KeyError("a mistake")


def handlers(echo: Echo) -> grpc.GenericRpcHandler:
    unary, answers = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    requests, both = grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    kinds: dict[str, Any] = {
        "One": unary, "Many": answers, "Sum": requests, "Each": both, "Hold": unary, "HoldStream": requests,
        "Endless": unary, "Refuse": unary, "RefuseLate": answers, "Fail": unary,
    }  # fmt: skip
    return grpc.method_handlers_generic_handler("Echo", {name: of(getattr(echo, name)) for name, of in kinds.items()})


def with_server(test: Callable[[Any, Echo, Server], Awaitable[None]]) -> None:
    async def run() -> None:
        echo = Echo()
        server = Server(LIMIT, endless=("/Echo/Endless",), held_bytes=3 * LIMIT // 2)
        server.add_generic_rpc_handlers([handlers(echo)])
        listener = reserve("127.0.0.1", 0)
        await server.start(listener)
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(address_of(listener), options=options) as channel:
            await test(channel, echo, server)
        await server.stop(None)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


async def status(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value


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


def test_refusal_has_its_status_message_and_metadata() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        error = await status(channel.unary_unary("/Echo/Refuse")(b""))
        assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "50 % is gone: é")
        metadata = dict(error.trailing_metadata())
        assert (metadata["why-bin"], metadata["how"]) == (b"\x00\x01", "so")

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


def test_call_beyond_its_deadline_ends_its_servicer() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        error = await status(channel.unary_unary("/Echo/Hold")(b"", timeout=0.05))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
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


def test_requests_beyond_what_all_calls_may_hold_are_refused_until_there_is_room() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        large = bytes(LIMIT)
        held = asyncio.ensure_future(channel.unary_unary("/Echo/Hold")(large))
        await echo.waiting.wait()
        one = channel.unary_unary("/Echo/One")
        assert await one(b"x") == b"x"
        error = await status(one(large))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "bytes of requests already" in (error.details() or "")
        again = await status(one(large, compression=grpc.Compression.Gzip))
        assert again.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        echo.released.set()
        assert await held == large
        for _ in range(5):
            assert await one(large) == large
            assert await one(large, compression=grpc.Compression.Gzip) == large

    with_server(test)


def test_stream_of_more_than_all_calls_may_hold_passes_as_it_is_taken() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        assert await channel.stream_unary("/Echo/Sum")(iter([bytes(LIMIT)] * 5)) == str(5 * LIMIT).encode()

    with_server(test)


def test_connection_that_reads_no_answers_is_refused_more_of_them() -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        await channel.unary_unary("/Echo/One")(b"x")
        (connection,) = server._connections
        host, port = connection._transport.get_extra_info("sockname")[:2]  # type: ignore[union-attr]
        reader, writer = await asyncio.open_connection(host, port)
        client = ngh2.Connection(ngh2.Role.CLIENT)
        client.initiate_connection({ngh2.Setting.INITIAL_WINDOW_SIZE: 0})  # nothing of an answer's body may come
        fields = [(":method", "POST"), (":scheme", "http"), (":path", "/Echo/One"), (":authority", "x")]
        fields += [("content-type", "application/grpc"), ("te", "trailers")]
        statuses: list[bytes] = []
        while not statuses:
            stream = client.send_request([(name.encode(), value.encode()) for name, value in fields])
            client.send_data(stream, prefixed(bytes(LIMIT)), end_stream=True)
            answered = False
            while not answered:
                writer.write(client.data_to_send())
                client.receive_data(await reader.read(65_536))
                for event in client.events():
                    if isinstance(event, ngh2.ResponseReceived) and event.stream_id == stream:
                        answered = True
                        statuses += [value for name, value in event.headers if name == b"grpc-status"]
        assert statuses == [str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]).encode()]
        writer.close()
        assert await channel.unary_unary("/Echo/One")(b"x") == b"x"

    with_server(test)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100])
def test_what_is_no_http2_is_hung_up_on(data: bytes) -> None:
    async def test(channel: Any, echo: Echo, server: Server) -> None:
        await channel.unary_unary("/Echo/One")(b"x")
        (connection,) = server._connections
        host, port = connection._transport.get_extra_info("sockname")[:2]  # type: ignore[union-attr]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(data)
        with suppress(ConnectionResetError):
            while await reader.read(65_536):
                pass
        writer.close()
        assert await channel.unary_unary("/Echo/One")(b"x") == b"x"

    with_server(test)
