"""grpcio's server has the limits that it is given; what it does beside is grpcio's own tests' business."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from h2.settings import SettingCodes

from serving.address import address_of
from serving.process.port import hold, reserve
from serving.transport.grpc_aio import Server
from serving.transport.http2.messages import prefixed
from serving.transport.limits import Limits
from tests.serving.transport.either import PATIENCE_S, of_bytes
from tests.serving.transport.http2.raw_client import raw_client

LIMITS = Limits(max_message_bytes=1000, max_streams=3, max_header_bytes=2000)
Test = Callable[[str], Awaitable[None]]


async def echo(request: bytes, context: Any) -> bytes:
    return request


def serve_echo(**limits: Any) -> Server:
    server = Server(replace(LIMITS, **limits))
    of_bytes(Echo=grpc.unary_unary_rpc_method_handler(echo))(server)
    return server


def with_server(test: Test, **limits: Any) -> None:
    """Run a test on a server of one method with these limits."""

    async def run() -> None:
        holder = hold(reserve("127.0.0.1", 0))
        server = serve_echo(**limits)
        await server.start(holder)
        try:
            await test(address_of(holder))
        finally:
            await server.stop(None)
            holder.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


@asynccontextmanager
async def method(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address, [("grpc.max_metadata_size", 1 << 20)]) as channel:
        yield channel.unary_unary("/Test/Echo")


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    code: grpc.StatusCode = error.value.code()
    return code


def test_messages_and_header_fields_have_their_limits() -> None:
    async def test(address: str) -> None:
        async with method(address) as call:
            assert await call(bytes(1000)) == bytes(1000)
            assert await refused(call(bytes(1001))) == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert await call(b"", metadata=(("key", "v" * 1000),)) == b""
            assert await refused(call(b"", metadata=(("key", "v" * 2001),))) == grpc.StatusCode.RESOURCE_EXHAUSTED

    with_server(test)


def test_clients_are_told_how_many_calls_a_connection_may_have() -> None:
    async def test(address: str) -> None:
        async with raw_client(address) as client:
            assert client.http.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 3

    with_server(test)


@pytest.mark.parametrize("limits", [{"max_age_s": 0.1, "age_grace_s": 0.1}, {"max_idle_s": 0.1}])
def test_connections_end_with_their_time(limits: dict[str, float]) -> None:
    async def test(address: str) -> None:
        async with grpc.aio.insecure_channel(address) as channel:
            await channel.channel_ready()
            await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

    with_server(test, **limits)


def test_client_that_asks_too_often_whether_the_server_is_there_is_hung_up_on() -> None:
    async def test(address: str) -> None:
        async with raw_client(address) as client:
            for _ in range(20):
                if not client.is_gone:
                    client.http.ping(bytes(8))
                    client.flush()
                    await client.receive()
            await client.hang_up()

    with_server(test)


@pytest.mark.parametrize("limits", [{"max_ping_strikes": 0}, {"min_ping_interval_s": 0}])
def test_it_may_be_asked_as_often_as_the_limits_say(limits: dict[str, Any]) -> None:
    async def test(address: str) -> None:
        async with raw_client(address) as client:
            for _ in range(20):
                await client.round_trip()

    with_server(test, **limits)


def test_address_that_cannot_be_listened_on_is_told() -> None:
    async def test() -> None:
        listener = reserve("127.0.0.1", 0)  # which nobody may share
        with pytest.raises(OSError, match=address_of(listener)):
            await Server(LIMITS).start(listener)
        listener.close()

    asyncio.run(test())


def test_unix_socket_is_taken_over(tmp_path: Path) -> None:
    async def test() -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "socket"))
        server = serve_echo()
        await server.start(hold(listener))
        async with method(f"unix:{tmp_path}/socket") as call:
            assert await call(b"by a file") == b"by a file"
        await server.stop(None)
        listener.close()

    asyncio.run(asyncio.wait_for(test(), PATIENCE_S))


def test_stop_does_not_wait_for_a_client_that_does_not_read() -> None:
    async def test() -> None:
        holder, answered = hold(reserve("127.0.0.1", 0)), asyncio.Event()

        async def much(request: bytes, context: Any) -> bytes:
            answered.set()
            return bytes(32 << 20)

        server = Server(LIMITS)
        of_bytes(Much=grpc.unary_unary_rpc_method_handler(much))(server)
        await server.start(holder)
        async with raw_client(address_of(holder), receive_bytes=2048) as client:
            client.http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
            client.http.increment_flow_control_window(2**30)
            await client.send(client.begin("/Test/Much"), prefixed(b""), is_end=True)
            await answered.wait()
            await server.stop(0.1)
        holder.close()

    asyncio.run(asyncio.wait_for(test(), PATIENCE_S))
