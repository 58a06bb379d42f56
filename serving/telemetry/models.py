"""What a model does, counted as Triton counts it, and noted for the call that it is done for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from serving.errors import DeadlineExceededError, InternalError, ResourceExhaustedError, UnavailableError
from serving.telemetry.families import (
    BATCH_SIZE,
    COUNT,
    EXEC_COUNT,
    FAILURE,
    INFER_US,
    PENDING,
    QUEUE_US,
    REFUSALS,
    REQUEST_US,
    SUCCESS,
)
from serving.telemetry.record import CURRENT, CallRecord
from serving.telemetry.store import Family, Slot, Store

# Of errors that end a request: what Triton calls the reason, and why the server would not take it, where it would not.
REASONS: dict[type[BaseException], tuple[str, str | None]] = {
    ResourceExhaustedError: ("REJECTED", "queue_full"),
    UnavailableError: ("REJECTED", "shutting_down"),
    DeadlineExceededError: ("REJECTED", "deadline_in_queue"),
    asyncio.CancelledError: ("CANCELED", None),
    InternalError: ("BACKEND", None),
}


class Request(Protocol):
    """A caller's, as the engine tells of it: see `engine.observer.Request`."""

    call: CallRecord | None
    came: float
    queue_s: float
    run_s: float


class ModelObserver:
    """An `engine.observer.Observer` that counts in a slot.

    Args:
        slot: Where.
        model: The model's name.
        version: Its version.
    """

    def __init__(self, slot: Slot, model: str, version: int) -> None:
        self._slot, self._labels = slot, (model, str(version))
        self._values, self._success = slot.values, slot.place(SUCCESS, *self._labels)
        self._count = slot.value(COUNT, *self._labels)
        self._exec_count = slot.value(EXEC_COUNT, *self._labels)
        self._queue_us = slot.place(QUEUE_US, *self._labels)
        self._infer_us = slot.place(INFER_US, *self._labels)
        self._request_us = slot.place(REQUEST_US, *self._labels)
        self._pending = slot.place(PENDING, *self._labels)
        self._batch_size = slot.histogram(BATCH_SIZE, *self._labels)

    def request_came(self, rows: int) -> CallRecord | None:
        """A request waits; it is noted for its call."""
        self._values[self._pending] += 1.0
        if (record := CURRENT.get()) is not None:
            record.rows += rows
            record.model, record.version = self._labels
        return record

    def request_failed(self, error: BaseException, request: Request | None = None) -> None:
        """A request has no answer."""
        self._values[self._pending] -= 1.0
        if request is not None and request.call is not None:
            request.call.queue_s += request.queue_s
            request.call.run_s += request.run_s
        reason, refusal = REASONS.get(type(error), ("OTHER", None))
        self._slot.value(FAILURE, *self._labels, reason).add()
        if refusal is not None:
            self._slot.value(REFUSALS, refusal).add()

    def batch_ran(self, rows: int, answered: Sequence[Request]) -> None:
        """A batch has run, and these have their answers: of each a few sums here, the rest once for all."""
        now = monotonic()
        queue_s = run_s = total_s = 0.0
        for request in answered:
            queue_s += request.queue_s
            run_s += request.run_s
            total_s += now - request.came
            if (call := request.call) is not None:
                call.queue_s += request.queue_s
                call.run_s += request.run_s
        values = self._values
        values[self._pending] -= len(answered)
        values[self._success] += len(answered)
        values[self._queue_us] += queue_s * 1e6
        values[self._infer_us] += run_s * 1e6
        values[self._request_us] += total_s * 1e6
        self._count.add(rows)
        self._exec_count.add()
        self._batch_size.observe(rows)


@dataclass(frozen=True)
class Figures:
    """What a model has done since the server's start, in all workers together.

    Attributes:
        succeeded, failed: Requests.
        rows, batches: That ran.
        queue_us, run_us, request_us: How long the requests that succeeded waited, ran, and took in all.
    """

    succeeded: int
    failed: int
    rows: int
    batches: int
    queue_us: float
    run_us: float
    request_us: float

    @classmethod
    def of(cls, store: Store, model: str, version: int) -> "Figures":
        """As the store has them now."""
        labels = (model, str(version))

        def value(family: Family) -> float:
            return store.sums(family).get(labels, [0.0])[0]

        failures = [value for found, (value,) in store.sums(FAILURE).items() if found[:2] == labels]
        return cls(
            int(value(SUCCESS)),
            int(sum(failures)),
            int(value(COUNT)),
            int(value(EXEC_COUNT)),
            value(QUEUE_US),
            value(INFER_US),
            value(REQUEST_US),
        )
