"""Health is told to who asks and who watches, and a watcher that does not read holds up nobody."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from serving.services.health import HealthServicer
from tests.serving.transport.either import PATIENCE_S, TRANSPORTS, serving

messages: Any = health_pb2
SERVING, NOT_SERVING, UNKNOWN = (
    HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING, HealthCheckResponse.SERVICE_UNKNOWN,
)  # fmt: skip


@pytest.fixture(params=TRANSPORTS)
def with_stub(
    request: pytest.FixtureRequest,
) -> Callable[[Callable[[Any, HealthServicer], Coroutine[Any, Any, None]]], None]:
    """Runs a test with a client, and the servicer that it asks."""

    async def run(test: Callable[[Any, HealthServicer], Coroutine[Any, Any, None]]) -> None:
        servicer = HealthServicer()

        def register(server: Any) -> None:
            health_pb2_grpc.add_HealthServicer_to_server(servicer, server)

        async with serving(request.param, register) as address, grpc.aio.insecure_channel(address) as channel:
            await test(health_pb2_grpc.HealthStub(channel), servicer)

    return lambda test: asyncio.run(asyncio.wait_for(run(test), PATIENCE_S))


def watch(servicer: HealthServicer, service: str = "digits") -> AsyncIterator[Any]:
    """A watcher that takes what it is told when it is asked to, and stands still meanwhile, as one that writes does."""
    context: Any = None
    return servicer.Watch(HealthCheckRequest(service=service), context)


async def told(watcher: AsyncIterator[Any]) -> int:
    answer = await asyncio.wait_for(anext(watcher), PATIENCE_S)
    status: int = answer.status
    return status


def test_check_tells_the_status_of_each_service_and_knows_no_other(with_stub: Any) -> None:
    async def test(stub: Any, servicer: HealthServicer) -> None:
        servicer.set("", SERVING)
        servicer.set("digits", NOT_SERVING)
        assert (await stub.Check(HealthCheckRequest())).status == SERVING
        assert (await stub.Check(HealthCheckRequest(service="digits"))).status == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError, match="'letters'") as error:
            await stub.Check(HealthCheckRequest(service="letters"))
        assert error.value.code() == grpc.StatusCode.NOT_FOUND

    with_stub(test)


def test_list_has_every_service(with_stub: Any) -> None:
    async def test(stub: Any, servicer: HealthServicer) -> None:
        servicer.set("", SERVING)
        servicer.set("digits", NOT_SERVING)
        statuses = (await stub.List(messages.HealthListRequest())).statuses
        assert {service: answer.status for service, answer in statuses.items()} == {"": SERVING, "digits": NOT_SERVING}

    with_stub(test)


def test_watch_tells_what_is_and_what_becomes_of_it_also_of_a_service_that_is_not_known_yet(with_stub: Any) -> None:
    async def test(stub: Any, servicer: HealthServicer) -> None:
        watcher = stub.Watch(HealthCheckRequest(service="digits"))
        assert (await watcher.read()).status == UNKNOWN
        for status in (SERVING, NOT_SERVING):
            servicer.set("letters", status)
            servicer.set("digits", status)
            assert (await watcher.read()).status == status

    with_stub(test)


def test_shutdown_is_told_to_all_and_ends_their_watches(with_stub: Any) -> None:
    async def test(stub: Any, servicer: HealthServicer) -> None:
        servicer.set("digits", SERVING)
        known, unknown = stub.Watch(HealthCheckRequest(service="digits")), stub.Watch(HealthCheckRequest(service="x"))
        assert ((await known.read()).status, (await unknown.read()).status) == (SERVING, UNKNOWN)
        servicer.enter_graceful_shutdown()
        late = stub.Watch(HealthCheckRequest(service="digits"))
        assert ((await known.read()).status, (await late.read()).status) == (NOT_SERVING, NOT_SERVING)
        for watcher in (known, unknown, late):
            assert await watcher.code() == grpc.StatusCode.UNAVAILABLE
        servicer.set("digits", SERVING)
        assert (await stub.Check(HealthCheckRequest(service="digits"))).status == NOT_SERVING

    with_stub(test)


def test_watcher_that_does_not_read_holds_up_nobody_and_is_told_the_latest() -> None:
    async def test() -> None:
        servicer = HealthServicer()
        servicer.set("digits", SERVING)
        stuck, other = watch(servicer), watch(servicer)
        assert (await told(stuck), await told(other)) == (SERVING, SERVING)
        for status in (NOT_SERVING, SERVING, NOT_SERVING):
            servicer.set("digits", status)
            assert await told(other) == status
        assert await told(stuck) == NOT_SERVING  # and nothing of what was meanwhile
        servicer.set("digits", SERVING)
        servicer.set("digits", NOT_SERVING)
        servicer.set("letters", SERVING)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stuck), 0.05)  # nothing is new to it

    asyncio.run(test())


def test_watchers_that_have_gone_leave_nothing_behind() -> None:
    async def test() -> None:
        servicer = HealthServicer()
        for number in range(10):
            watcher: Any = watch(servicer, f"service {number}")
            assert await told(watcher) == UNKNOWN
            await watcher.aclose()
        assert not servicer._watchers

    asyncio.run(test())
