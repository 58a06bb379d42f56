"""Triton's figures of a model, by a batcher that is observed."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from serving.engine.batcher import Batcher
from serving.engine.fair_queue import Room, Rows
from serving.errors import DeadlineExceededError, InternalError, ResourceExhaustedError, UnavailableError
from serving.telemetry.families import (
    BATCH_SIZE,
    COUNT,
    EXEC_COUNT,
    FAILURE,
    FAMILIES,
    INFER_US,
    PENDING,
    QUEUE_US,
    REFUSALS,
    REQUEST_US,
    SUCCESS,
)
from serving.telemetry.models import Figures, ModelObserver
from serving.telemetry.record import CURRENT, CallRecord
from serving.telemetry.store import Family, Store

PATIENCE_S = 30
RUN_S = 0.02
OF_MODEL = ("generator", "3")


class Model:
    """Takes a while, once it is let go, and fails on a negative number."""

    def __init__(self, held: bool = False) -> None:
        self.running, self.release = threading.Event(), threading.Event()
        if not held:
            self.release.set()

    def __call__(self, rows: Rows) -> Rows:
        self.running.set()
        assert self.release.wait(PATIENCE_S)
        threading.Event().wait(RUN_S)
        if (rows["x"] < 0).any():
            raise ValueError("a negative number")
        return rows


@pytest.fixture
def store() -> Store:
    return Store(FAMILIES, 1)


def observed(store: Store, model: Model, max_queue_rows: int = 100, max_batch_rows: int = 4) -> Batcher:
    observer = ModelObserver(store.slot(0), "generator", 3)
    return Batcher(model, max_batch_rows, Room(max_queue_rows), observer=observer)


def rows(*values: int) -> Rows:
    return {"x": np.array(values)}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, PATIENCE_S))


def count(store: Store, family: Family, *more: str) -> float:
    (value,) = store.sums(family).get((*OF_MODEL, *more), [0.0])
    return value


def test_requests_rows_and_batches_are_counted(store: Store) -> None:
    async def test() -> None:
        batcher = observed(store, Model())
        await asyncio.gather(batcher.submit(rows(1)), batcher.submit(rows(2, 3)), batcher.submit(rows(4, 5, 6, 7, 8)))
        await batcher.close()

    run(test())
    assert count(store, SUCCESS) == 3
    assert count(store, COUNT) == 8
    assert count(store, EXEC_COUNT) == 2
    sizes = store.sums(BATCH_SIZE)[OF_MODEL]
    assert (sum(sizes[:-1]), sizes[-1]) == (2, 8)
    assert sizes[2] == 2  # of up to four rows


def test_every_request_of_a_batch_has_its_time_and_one_of_two_batches_both(store: Store) -> None:
    async def test() -> None:
        batcher = observed(store, Model())
        await asyncio.gather(batcher.submit(rows(1, 2)), batcher.submit(rows(3, 4)))
        of_two = count(store, INFER_US)
        assert count(store, REQUEST_US) >= of_two + count(store, QUEUE_US)
        assert of_two >= 2 * RUN_S * 1e6
        await batcher.submit(rows(*range(8)))
        assert count(store, INFER_US) - of_two >= 2 * RUN_S * 1e6
        await batcher.close()

    run(test())


def test_time_in_the_queue_is_until_the_first_row_is_taken(store: Store) -> None:
    async def test() -> None:
        model = Model(held=True)
        batcher = observed(store, model)
        first = batcher.submit(rows(1))
        await asyncio.to_thread(model.running.wait, PATIENCE_S)
        second = batcher.submit(rows(2))
        await asyncio.sleep(0)
        assert count(store, PENDING) == 2
        model.release.set()
        await first
        in_queue = count(store, QUEUE_US)
        await second
        assert count(store, QUEUE_US) - in_queue >= RUN_S * 1e6
        assert count(store, PENDING) == 0
        await batcher.close()

    run(test())


def test_refused_cancelled_and_failed_requests_are_told_apart(store: Store) -> None:
    async def test() -> None:
        model = Model(held=True)
        batcher = observed(store, model, max_queue_rows=2)
        first = batcher.submit(rows(1))
        await asyncio.sleep(0)  # it is picked up at once
        await asyncio.to_thread(model.running.wait, PATIENCE_S)
        gone, late = batcher.submit(rows(2)), batcher.submit(rows(3), 0.0)
        await asyncio.sleep(0)
        with pytest.raises(ResourceExhaustedError):
            await batcher.submit(rows(4))
        gone.cancel()
        model.release.set()
        await first
        with pytest.raises(DeadlineExceededError):
            await late
        with pytest.raises(InternalError):
            await batcher.submit(rows(-1))
        await batcher.close()
        with pytest.raises(UnavailableError):
            await batcher.submit(rows(5))

    run(test())
    assert count(store, SUCCESS) == 1
    assert {reason: count(store, FAILURE, reason) for reason in ("REJECTED", "CANCELED", "BACKEND", "OTHER")} == {
        "REJECTED": 3, "CANCELED": 1, "BACKEND": 1, "OTHER": 0,
    }  # fmt: skip
    assert store.sums(REFUSALS) == {("queue_full",): [1], ("deadline_in_queue",): [1], ("shutting_down",): [1]}
    assert count(store, PENDING) == 0
    assert count(store, QUEUE_US) < RUN_S * 1e6  # of the one that was answered


def test_what_a_model_did_is_noted_for_the_call_that_it_was_done_for(store: Store) -> None:
    async def test() -> None:
        batcher = observed(store, Model())
        CURRENT.set(call := CallRecord())
        await asyncio.gather(batcher.submit(rows(1, 2)), batcher.submit(rows(3)))
        assert (call.rows, call.model, call.version) == (3, "generator", "3")
        assert call.run_s >= 2 * RUN_S
        await batcher.close()

    run(test())


def test_figures_are_those_of_one_model_in_all_workers() -> None:
    shared = Store(FAMILIES, 2)

    async def test(number: int) -> None:
        batcher = Batcher(Model(), 4, Room(100), observer=ModelObserver(shared.slot(number), "generator", 3))
        other = ModelObserver(shared.slot(number), "generator", 4)
        await batcher.submit(rows(1, 2))
        with pytest.raises(InternalError):
            await batcher.submit(rows(-1))
        other.batch_ran(100, [])
        await batcher.close()

    for number in range(2):
        run(test(number))
    figures = Figures.of(shared, "generator", 3)
    assert (figures.succeeded, figures.failed, figures.rows, figures.batches) == (2, 2, 4, 2)
    assert figures.request_us >= figures.run_us >= 2 * RUN_S * 1e6
    assert Figures.of(shared, "generator", 9) == Figures(0, 0, 0, 0, 0, 0, 0)
