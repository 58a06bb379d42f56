"""Refusals over our own transport, as gRPC's retries in the client take them."""

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from digitforge import AsyncClient, DeadlineExceededError, OverloadedError
from protos.digits.v1 import digits_pb2 as pb
from serving.address import address_of
from serving.errors import ResourceExhaustedError
from serving.process.port import reserve
from serving.services.call import STATUS_KEY, refuse
from serving.services.digits import SERVICE
from serving.transport.http2.server import Server
from serving.transport.limits import Limits


def attempts_of(delay_s: float, timeout_s: float, outcome: type[Exception]) -> int:
    """How often a client comes that is refused each time."""
    attempts = 0

    async def score(request: pb.ScoreRequest, context: Any) -> None:
        nonlocal attempts
        attempts += 1
        await refuse(context, ResourceExhaustedError("full", delay_s))

    async def run() -> None:
        server, listener = Server(Limits()), reserve("127.0.0.1", 0)
        handler: Any = grpc.unary_unary_rpc_method_handler(score, pb.ScoreRequest.FromString)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Score": handler})])
        await server.start(listener)
        async with AsyncClient(address_of(listener), timeout_s=timeout_s) as client:
            with pytest.raises(outcome):
                await client.score(bytes(784))
        await server.stop(None)

    asyncio.run(run())
    return attempts


@pytest.mark.parametrize("delay_s", [0, 0.001])
def test_refused_call_comes_again_when_it_is_told_to(delay_s: float) -> None:
    assert attempts_of(delay_s, timeout_s=60, outcome=OverloadedError) == 4


def test_call_that_is_told_to_come_later_does_not_come_before() -> None:
    assert attempts_of(600, timeout_s=1, outcome=DeadlineExceededError) == 1


def test_delay_is_told_in_milliseconds_and_spreads_those_who_were_refused_together() -> None:
    class Context:
        """As much of grpc's as a refusal asks for."""

        async def abort(self, code: grpc.StatusCode, details: str, metadata: Any) -> None:
            told.append(dict(metadata))
            raise grpc.aio.AbortError

    told: list[dict[str, Any]] = []
    context: Any = Context()
    for _ in range(20):
        with pytest.raises(grpc.aio.AbortError):
            asyncio.run(refuse(context, ResourceExhaustedError("full", 10)))
    delays_ms = [int(metadata["grpc-retry-pushback-ms"]) for metadata in told]
    assert 10_000 <= min(delays_ms) < max(delays_ms) <= 15_000
    status = status_pb2.Status.FromString(told[0][STATUS_KEY])
    retry = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == delays_ms[0]
