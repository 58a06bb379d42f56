"""Dynamic batching: rows of many callers in, one call of the model, each caller's rows out.

It takes rows and gives rows, and knows neither the transport nor the runtime. While the model runs, rows wait; what
has gathered when it is free is the next batch. A large request is split and small ones are merged, in turns: every
waiting caller gets its share of a batch before any gets more.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from serving.errors import DeadlineExceededError, InternalError, ResourceExhaustedError, UnavailableError

Rows = Mapping[str, np.ndarray]
"""Named arrays with the same number of rows each."""

RETRY_AFTER_S = 0.1


@dataclass(eq=False)
class _Entry:
    """A caller's rows: `taken` of `count` have gone into batches, `parts` have come back."""

    rows: Rows
    count: int
    deadline: float | None
    future: asyncio.Future[Rows]
    taken: int = 0
    parts: list[Rows] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        return self.count - self.taken


class Batcher:
    """Batches the rows of concurrent callers for one model, in one thread.

    Args:
        run: The model: a batch of rows to as many rows. Called in a thread of its own, one batch at a time.
        max_batch_rows: Rows in a batch at most.
        max_queue_rows: Rows waiting at most; beyond, callers are refused.
        max_delay_s: How long a batch that is not full waits for more rows. 0: not at all.
    """

    def __init__(
        self, run: Callable[[Rows], Rows], max_batch_rows: int, max_queue_rows: int, max_delay_s: float = 0.0
    ) -> None:
        self._run = run
        self.max_batch_rows = max_batch_rows
        self.max_queue_rows = max_queue_rows
        self.max_delay_s = max_delay_s
        self.queued_rows = 0
        self._queue: deque[_Entry] = deque()
        self._arrival = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batcher")
        self._task = asyncio.create_task(self._work())

    async def submit(self, rows: Rows, deadline: float | None = None) -> Rows:
        """Run these rows in whatever batches come; a cancelled call's rows are dropped.

        Args:
            rows: Named arrays with the same, positive number of rows.
            deadline: Time of `time.monotonic()` after which nobody wants the answer.

        Raises:
            ResourceExhaustedError: The queue is full.
            DeadlineExceededError: The deadline passed before all rows were run.
            UnavailableError: The batcher is closing.
            InternalError: The model failed.
        """
        count = len(next(iter(rows.values())))
        if self._closing:
            raise UnavailableError("the server is shutting down")
        if self.queued_rows + count > self.max_queue_rows:
            raise ResourceExhaustedError(
                f"{self.queued_rows} rows are waiting and {count} more would pass the limit of {self.max_queue_rows}",
                RETRY_AFTER_S,
            )
        entry = _Entry(rows, count, deadline, asyncio.get_running_loop().create_future())
        self._queue.append(entry)
        self.queued_rows += count
        self._arrival.set()
        return await entry.future  # cancelling the caller cancels the future: its rows are dropped at pick-up

    async def close(self) -> None:
        """Run what waits, refuse what comes, and end the thread."""
        self._closing = True
        self._arrival.set()
        await self._task
        self._thread.shutdown()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._gather()
            batch = self._take()
            if not batch:
                if self._closing:
                    return
                continue
            try:
                rows = _join([_slice(entry.rows, part) for entry, part in batch])
                results = await loop.run_in_executor(self._thread, self._run, rows)
            except Exception as error:
                for entry, _ in batch:
                    _settle(entry, InternalError(f"the model failed: {error}"))
                continue
            start = 0
            for entry, part in batch:
                stop = start + part.stop - part.start
                entry.parts.append(_slice(results, slice(start, stop)))
                start = stop
                if part.stop == entry.count:  # rows go in order, so the last part completes the entry
                    _settle(entry, _join(entry.parts))

    async def _gather(self) -> None:
        """Wait for rows, and then up to `max_delay_s` for a full batch."""
        while not self._queue and not self._closing:
            self._arrival.clear()
            await self._arrival.wait()
        due = time.monotonic() + self.max_delay_s
        while self.queued_rows < self.max_batch_rows and not self._closing and (left := due - time.monotonic()) > 0:
            self._arrival.clear()
            try:
                await asyncio.wait_for(self._arrival.wait(), left)
            except TimeoutError:
                return

    def _take(self) -> list[tuple[_Entry, slice]]:
        """The next batch's entries with the slice of their rows, in turns; the gone and the late are dropped here."""
        batch: list[tuple[_Entry, slice]] = []
        room, now = self.max_batch_rows, time.monotonic()
        share = max(1, room // max(1, len(self._queue)))
        while self._queue and room:
            entry = self._queue.popleft()
            if entry.deadline is not None and now > entry.deadline:
                _settle(entry, DeadlineExceededError("the deadline passed while the rows were waiting"))
            if entry.future.done():
                self.queued_rows -= entry.remaining
                continue
            rows = min(share, room, entry.remaining)
            batch.append((entry, slice(entry.taken, entry.taken + rows)))
            entry.taken += rows
            self.queued_rows -= rows
            room -= rows
            if entry.remaining:
                self._queue.append(entry)
        return batch


def _settle(entry: _Entry, outcome: Rows | Exception) -> None:
    if entry.future.done():
        return
    if isinstance(outcome, Exception):
        entry.future.set_exception(outcome)
    else:
        entry.future.set_result(outcome)


def _slice(rows: Rows, part: slice) -> Rows:
    return {name: array[part] for name, array in rows.items()}


def _join(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
