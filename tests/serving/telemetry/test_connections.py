"""Calls that the transport refuses have a line like any other, and are counted by their reasons."""

import asyncio
import os

import grpc
import pytest

from serving.telemetry.access_log import AccessLog, Which
from serving.telemetry.connections import LONGEST_PATH, TransportObserver
from serving.telemetry.families import FAMILIES, REFUSALS, UNLOGGED
from serving.telemetry.store import Store
from tests.serving.transport.http2.echo import serving
from tests.serving.transport.http2.raw_client import raw_client

PATIENCE_S = 30


@pytest.mark.parametrize(("which", "lines"), [("off", 0), ("errors", 2), ("all", 2)])
def test_call_that_the_transport_refuses_has_a_line_and_no_other_can_be_written_by_its_path(
    which: Which, lines: int
) -> None:
    reading, writing = os.pipe()
    store = Store(FAMILIES, 1)

    async def run() -> None:
        slot = store.slot(0)
        log = AccessLog(which, "text", slot.value(UNLOGGED), writing)
        async with serving(observer=TransportObserver(slot, log)) as (_, _, address), raw_client(address) as client:
            for path in ("/Echo/No\u0085thing", "/" + "x" * 1000):
                call = client.begin(path, {"x-request-id": "mine"}, is_end=True)
                assert (await client.answer(call)).status is grpc.StatusCode.UNIMPLEMENTED
        log.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
    os.close(writing)
    written = os.fdopen(reading).read().splitlines()
    assert len(written) == lines
    assert all(" UNIMPLEMENTED " in line and "request_id=mine" in line for line in written)
    assert [line.split()[-5] for line in written] == ["Echo/NoÂ?thing", "x" * LONGEST_PATH][:lines]
    assert store.sums(REFUSALS)[("method",)] == [2.0]
