"""What servicers may ask of a call and say in it: the same on both transports, as grpc.aio documents it."""

import asyncio
from collections import namedtuple
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from tests.serving.transport.either import PATIENCE_S, TRANSPORTS, of_bytes, serving

Code = grpc.StatusCode
Pairs = tuple[tuple[str, str | bytes], ...]

pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)


class Status(namedtuple("Status", "code details trailing_metadata"), grpc.Status):
    """A status as `abort_with_status` takes it."""


def called(transport: str, servicer: Callable[..., Any], test: Callable[[Any], Any], kind: str = "unary_unary") -> None:
    """Serve one method, and give the test a caller of it."""

    async def run() -> None:
        handler = getattr(grpc, f"{kind}_rpc_method_handler")(servicer)
        server = serving(transport, of_bytes(Method=handler))
        async with server as address, grpc.aio.insecure_channel(address) as channel:
            await test(getattr(channel, kind)("/Test/Method"))

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


async def ended(call: Any) -> tuple[grpc.StatusCode, str, Pairs]:
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    return await call.code(), await call.details(), tuple(await call.trailing_metadata())


def test_caller_is_known_by_its_address_alone(transport: str) -> None:
    async def servicer(request: bytes, context: Any) -> bytes:
        assert context.peer_identities() is None
        assert context.peer_identity_key() is None
        assert dict(context.auth_context()).get("x509_common_name") is None
        assert not context.done()
        assert not context.cancelled()
        return str(context.peer()).encode()

    async def test(call: Any) -> None:
        peer = (await call(b"")).decode()
        assert peer.startswith("ipv4:127.0.0.1:")
        assert peer.rpartition(":")[2].isdecimal()

    called(transport, servicer, test)


@pytest.mark.parametrize("code", [Code.DATA_LOSS, 15])
def test_status_that_was_set_is_the_calls_end_without_an_answer(transport: str, code: Any) -> None:
    async def servicer(request: bytes, context: Any) -> bytes:
        assert (context.details(), tuple(context.trailing_metadata())) == ("", ())
        context.set_code(code)
        context.set_details("gone")
        context.set_trailing_metadata((("key", "value"), ("key-bin", b"\0")))
        assert (context.code(), context.details()) in ((Code.DATA_LOSS, "gone"), (15, "gone"))
        assert context.trailing_metadata() == (("key", "value"), ("key-bin", b"\0"))
        return b"answer"

    async def test(call: Any) -> None:
        assert await ended(call(b"")) == (Code.DATA_LOSS, "gone", (("key", "value"), ("key-bin", b"\0")))

    called(transport, servicer, test)


def test_metadata_goes_before_the_answer_and_after_it(transport: str) -> None:
    async def servicer(request: bytes, context: Any) -> bytes:
        await context.send_initial_metadata((("early", "1"),))
        with pytest.raises(grpc.aio.UsageError):
            await context.send_initial_metadata((("early", "2"),))
        context.set_trailing_metadata((("late", "3"),))
        return b"answer"

    async def test(call: Any) -> None:
        answer = call(b"")
        assert await answer == b"answer"
        assert ("early", "1") in tuple(await answer.initial_metadata())
        assert tuple(await answer.trailing_metadata()) == (("late", "3"),)

    called(transport, servicer, test)


def test_abort_keeps_what_was_set_where_nothing_is_given(transport: str) -> None:
    async def servicer(request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("kept", "1"),))
        context.set_details("before")
        await context.abort(Code.NOT_FOUND)
        return b""

    async def test(call: Any) -> None:
        assert await ended(call(b"")) == (Code.NOT_FOUND, "before", (("kept", "1"),))

    called(transport, servicer, test)


def test_abort_takes_a_status_in_one(transport: str) -> None:
    async def servicer(request: bytes, context: Any) -> bytes:
        await context.abort_with_status(Status(Code.FAILED_PRECONDITION, "so", (("key", "value"),)))
        return b""

    async def test(call: Any) -> None:
        assert await ended(call(b"")) == (Code.FAILED_PRECONDITION, "so", (("key", "value"),))

    called(transport, servicer, test)


def test_status_that_was_set_is_that_of_an_exception(transport: str) -> None:
    async def servicer(request: bytes, context: Any) -> bytes:
        context.set_code(Code.PERMISSION_DENIED)
        raise ValueError("no")

    async def test(call: Any) -> None:
        code, details, _ = await ended(call(b""))
        assert (code, "ValueError" in details) == (Code.PERMISSION_DENIED, True)

    called(transport, servicer, test)


@pytest.mark.parametrize("outcome", ["answered", "cancelled", "late"])
def test_done_callbacks_are_called_once_however_the_call_ends(transport: str, outcome: str) -> None:
    ended_calls: list[Any] = []
    begun = asyncio.Event()

    async def servicer(request: bytes, context: Any) -> bytes:
        context.add_done_callback(ended_calls.append)
        begun.set()
        if outcome != "answered":
            await asyncio.sleep(PATIENCE_S)
        return b""

    async def test(call: Any) -> None:
        answer = call(b"", timeout=1 if outcome == "late" else None)  # time enough to begin
        if outcome == "cancelled":
            await begun.wait()
            answer.cancel()
        await asyncio.wait([asyncio.ensure_future(answer.code())])
        while not ended_calls:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(ended_calls) == 1

    called(transport, servicer, test)


def test_servicer_of_streams_may_read_and_write_by_itself(transport: str) -> None:
    async def servicer(requests: Any, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(request + b"!")
        assert await context.read() is grpc.aio.EOF

    async def test(call: Any) -> None:
        assert [answer async for answer in call(iter([b"1", b"2"]))] == [b"1!", b"2!"]

    called(transport, servicer, test, "stream_stream")


def test_stream_ends_with_the_status_that_was_set(transport: str) -> None:
    async def servicer(request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"1"
        await context.write(b"2")
        context.set_code(Code.OUT_OF_RANGE)
        context.set_details("the end")

    async def test(call: Any) -> None:
        answers = call(b"")
        assert [await answers.read() for _ in range(2)] == [b"1", b"2"]
        assert (await answers.code(), await answers.details()) == (Code.OUT_OF_RANGE, "the end")

    called(transport, servicer, test, "unary_stream")


def test_servicer_may_choose_compression_before_its_answer_begins(transport: str) -> None:
    async def servicer(request: bytes, context: Any) -> AsyncIterator[bytes]:
        context.set_compression(grpc.Compression.Gzip)
        yield bytes(100_000)
        context.disable_next_message_compression()
        yield bytes(1000)
        with pytest.raises(RuntimeError):
            context.set_compression(grpc.Compression.Deflate)
        yield b""

    async def test(call: Any) -> None:
        assert [len(answer) async for answer in call(b"")] == [100_000, 1000, 0]

    called(transport, servicer, test, "unary_stream")
