"""A server of bytes, in this process: what the tests' clients talk to."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import grpc
import pytest

from serving.address import address_of
from serving.process.port import reserve
from serving.transport.http2.call import Call as ServedCall
from serving.transport.http2.messages import prefixed
from serving.transport.http2.server import Server
from serving.transport.limits import Limits
from serving.transport.observer import Observer
from tests.serving.transport.http2.raw_client import RawClient, raw_client

PATIENCE_S = 30
LIMIT = 2 * 2**20  # bytes of a message
HELD = 3 * LIMIT // 2  # of all requests
# The raw client pings whenever it wants to know how far the server is.
LIMITS = Limits(LIMIT, held_bytes=HELD, connection_held_bytes=HELD, max_ping_strikes=0)
EARLY = bytes(160_000)


class Echo:
    """A servicer of bytes with all four kinds of methods, and what its calls have seen."""

    def __init__(self) -> None:
        self.written = self.read = 0
        self.cancelled = asyncio.Event()
        self.waiting = asyncio.Event()
        self.released = asyncio.Event()
        self.ended = asyncio.Event()
        self.neighbour = asyncio.Event()
        self.asked: list[bytes] = []
        self.metadata: Any = None
        self.remaining: float | None = None

    async def One(self, request: bytes, context: Any) -> bytes:
        self.asked.append(request)
        self.metadata, self.remaining = context.invocation_metadata(), context.time_remaining()
        return request

    async def Many(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            for number in range(int(request)):
                yield number.to_bytes(4, "big") * 4096
                self.written += 1
        finally:
            self.ended.set()

    async def Sum(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return str(sum([len(request) async for request in requests])).encode()

    async def Each(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            self.read += 1
            yield request

    async def Hold(self, request: bytes, context: Any) -> bytes:
        await self._wait(context)
        return request

    Endless = Hold

    async def Neighbour(self, request: bytes, context: Any) -> bytes:
        await self.neighbour.wait()
        return request

    async def HoldStream(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        await self._wait(context)
        return await self.Sum(requests, context)

    async def Early(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        await self._wait(context)
        return EARLY

    async def Stubborn(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await self._wait(context)
                yield b"still here"
        finally:
            self.ended.set()

    async def _wait(self, context: Any) -> None:
        self.waiting.set()
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.remaining = context.time_remaining()
            self.cancelled.set()
            raise

    async def Write(self, request: bytes, context: Any) -> None:
        for byte in request:
            await context.write(bytes([byte]))

    async def Refuse(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.DATA_LOSS, "50 % is gone: é", (("why-bin", b"\x00\x01"), ("how", "so")))
        raise AssertionError("abort returns never")

    async def RefuseWithOk(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.OK, "all is well")
        raise AssertionError("abort returns never")

    async def Cancel(self, request: bytes, context: Any) -> bytes:
        raise asyncio.CancelledError

    async def RefuseLate(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        await context.abort(grpc.StatusCode.DATA_LOSS, "later")

    async def Fail(self, request: bytes, context: Any) -> bytes:
        raise KeyError("a mistake")


def handlers(service: str, echo: Echo) -> grpc.GenericRpcHandler:
    unary, answers = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    requests, both = grpc.stream_unary_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    kinds: dict[str, Any] = {
        "One": unary, "Many": answers, "Sum": requests, "Each": both, "Hold": unary, "HoldStream": requests,
        "Endless": unary, "Neighbour": unary, "Early": requests, "Stubborn": answers,
        "Write": answers, "RefuseWithOk": unary, "Cancel": unary, "Refuse": unary, "RefuseLate": answers, "Fail": unary,
    }  # fmt: skip
    methods = {name: of(getattr(echo, name)) for name, of in kinds.items()}
    methods["Number"] = unary(echo.One, int, lambda number: str(number).encode())
    return grpc.method_handlers_generic_handler(service, methods)


@asynccontextmanager
async def serving(observer: Observer | None = None, **limits: Any) -> AsyncIterator[tuple[Echo, Server, str]]:
    """A servicer, its server, and the address; `limits` in place of those of `LIMITS`."""
    echo = Echo()
    server = Server(replace(LIMITS, **limits), small=("Small",), endless=("/Echo/Endless",), observer=observer)
    server.add_generic_rpc_handlers([handlers("Echo", echo), handlers("Small", echo)])
    listener = reserve("127.0.0.1", 0)
    await server.start(listener)
    yield echo, server, address_of(listener)
    await server.stop(None)


def with_server(test: Callable[[Any, Echo, Server], Awaitable[None]]) -> None:
    """Run a test on a channel of grpcio's."""

    async def run() -> None:
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        async with serving() as (echo, server, address), grpc.aio.insecure_channel(address, options) as channel:
            await test(channel, echo, server)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def with_raw_client(test: Callable[[RawClient, Echo, Server], Awaitable[None]], **limits: Any) -> None:
    """Run a test on a connection whose every frame is the test's own; `limits` in place of those of `LIMITS`."""

    async def run() -> None:
        async with serving(**limits) as (echo, server, address), raw_client(address) as client:
            await test(client, echo, server)

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def served_calls() -> int:
    """How many calls the server has not let go."""
    gc.collect()
    return calls_in_memory()


def calls_in_memory() -> int:
    """The same, with those that only the garbage collector would find."""
    return sum(type(each) is ServedCall for each in gc.get_objects())


def beside_a_neighbour(test: Callable[[RawClient, Echo], Awaitable[None]]) -> None:
    """Run a test while another call of the connection is in flight, which is then answered, and nothing is left."""

    async def run(client: RawClient, echo: Echo, server: Server) -> None:
        neighbour = client.begin("/Echo/Neighbour")
        await client.send(neighbour, prefixed(b"kept"), is_end=True)
        await test(client, echo)
        echo.neighbour.set()
        assert (await client.answer(neighbour)).body == prefixed(b"kept")
        await client.round_trip()
        while served_calls():  # a thread may not have let go of its last one yet
            await asyncio.sleep(0.01)

    with_raw_client(run)


async def status(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value
