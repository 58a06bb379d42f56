"""Dynamic batching: rows of many callers in, one call of the model, each caller's rows out.

It takes rows and gives rows, and knows neither the transport nor the runtime. While the model runs, rows wait; what
has gathered when it is free is the next batch. A large request is split and small ones are merged (`fair_queue.py`).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np

from serving.engine.fair_queue import Entry, FairQueue, Part, Room, Rows
from serving.engine.observer import Observer, Unobserved
from serving.errors import InternalError, RefusedError, UnavailableError

Outcome: TypeAlias = Rows | Exception


class Batcher:
    """Batches the rows of concurrent callers for one model, one batch at a time. Make it within a running event loop.

    Args:
        run: The model: a batch of rows to as many rows.
        max_batch_rows: Rows in a batch at most.
        room: For rows that wait, of this batcher and of others of the model; beyond, callers are refused.
        max_delay_s: How long a batch that is not full waits for more rows. 0: not at all.
        inline_rows: A batch of so many rows or fewer runs in the event loop's own thread, since changing threads would
            take longer than the model; a larger one in a thread beside it.
        thread: That thread, where the model has one; whoever has made it ends it. Absent: a new one.
        observer: Is told of requests and batches.
    """

    def __init__(
        self,
        run: Callable[[Rows], Rows],
        max_batch_rows: int,
        room: Room,
        max_delay_s: float = 0.0,
        inline_rows: int = 0,
        thread: ThreadPoolExecutor | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._run = run
        self.max_batch_rows = max_batch_rows
        self.max_delay_s = max_delay_s
        self.inline_rows = inline_rows
        self._queue = FairQueue(room, self._fail)
        self._loop = asyncio.get_running_loop()
        self._busy = False  # with a batch, in the thread
        self._pick_up: asyncio.Handle | None = None  # the next one, where one is due
        self._delayed = False  # whether it waits for a full batch
        self._closing = False
        self._idle = asyncio.Event()
        self._observer = observer or Unobserved()
        self._own_thread = None if thread else ThreadPoolExecutor(1, thread_name_prefix="batcher")
        self._thread = thread or self._own_thread

    @property
    def queued_rows(self) -> int:
        """Rows that wait."""
        return self._queue.rows

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._busy and not self._queue

    def submit(self, rows: Rows, deadline: float | None = None) -> asyncio.Future[Rows]:
        """Run these rows in whatever batches come.

        No coroutine: a call passes through here whose every frame costs it a hundredth of its time.

        Args:
            rows: Named arrays with the same, positive number of rows.
            deadline: Time of `time.monotonic()` after which nobody wants the answer.

        Returns:
            The answer to come, or DeadlineExceededError, where the deadline passed before all rows were run, or
            InternalError, where the model failed. Once it is cancelled, as it is with who awaits it, its rows are
            dropped at pick-up.

        Raises:
            ResourceExhaustedError: The queue is full.
            UnavailableError: The batcher is closing.
        """
        call = self._observer.request_came(_count(rows))
        try:
            if self._closing:
                raise UnavailableError("the server is shutting down")
            entry = self._queue.put(rows, deadline)
        except RefusedError as error:
            self._observer.request_failed(error)
            raise
        entry.call = call
        self._schedule()
        return entry.future

    async def close(self) -> None:
        """Run what waits, refuse what comes, and end the thread."""
        self._closing = True
        self._schedule()
        await self._idle.wait()
        if self._own_thread:
            self._own_thread.shutdown()

    def _schedule(self) -> None:
        """See to the next pick-up: as soon as the callbacks that are ready have run, or when the delay is over."""
        if self._busy:
            return
        if not self._queue:
            if self._closing:
                self._idle.set()
            return
        delay = self.max_delay_s > 0 and self.queued_rows < self.max_batch_rows and not self._closing
        if self._pick_up is not None:
            if delay or not self._delayed:
                return
            self._pick_up.cancel()
        self._delayed = delay
        # Never at once: callers whose requests came in the same moment get into the same batch.
        self._pick_up = (
            self._loop.call_later(self.max_delay_s, self._start) if delay else self._loop.call_soon(self._start)
        )

    def _start(self) -> None:
        """Run the next batch."""
        self._pick_up = None
        if batch := self._queue.take(self.max_batch_rows):
            parts = [_part(entry.rows, part, entry.count) for entry, part in batch]
            if sum(part.stop - part.start for _, part in batch) <= self.inline_rows:
                self._give(batch, *self._outcomes(parts))
            else:
                self._busy = True
                running = self._loop.run_in_executor(self._thread, self._outcomes, parts)
                running.add_done_callback(lambda ended: self._end(batch, ended))
        self._schedule()

    def _outcomes(self, parts: list[Rows]) -> tuple[list[Outcome], float]:
        """What the model makes of each part of a batch, and how long it ran in all, in s.

        Where the batch fails, each part is run alone: it may be the fault of one, which is not to be the others'.
        """
        start = time.monotonic()
        results = self._outcome(*parts)
        if len(parts) == 1:
            outcomes = [results]
        elif isinstance(results, Exception):
            outcomes = [self._outcome(part) for part in parts]
        else:
            outcomes, first = [], 0
            for part in parts:
                last = first + _count(part)
                outcomes.append(_slice(results, slice(first, last)))
                first = last
        return outcomes, time.monotonic() - start

    def _outcome(self, *parts: Rows) -> Outcome:
        try:
            rows = _join(parts)
            results = self._run(rows)
        except Exception as error:
            return error
        count = _count(rows)
        for name, array in results.items():
            if len(array) != count:  # somebody would be given another's rows
                return ValueError(f"{name} has {len(array)} rows for {count} of the inputs")
        return results

    def _end(self, batch: list[Part], ended: asyncio.Future[tuple[list[Outcome], float]]) -> None:
        """A batch in the thread has ended."""
        self._busy = False
        self._give(batch, *ended.result())
        self._schedule()

    def _give(self, batch: list[Part], outcomes: list[Outcome], run_s: float) -> None:
        """Each caller its part."""
        rows, answered = 0, []
        for (entry, part), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Exception):
                # An exception of its own for each.
                self._queue.give_up(entry, InternalError(f"the model failed: {outcome}"))
                continue
            rows += part.stop - part.start
            entry.run_s += run_s
            if entry.give(outcome, part):
                answered.append(entry)
            elif part.stop == entry.count:
                self._fail(entry, asyncio.CancelledError())
        if rows:
            self._observer.batch_ran(rows, answered)

    def _fail(self, entry: Entry, error: BaseException) -> None:
        """A caller goes without, or has gone; that is told once."""
        if not entry.is_over:
            entry.is_over = True
            self._observer.request_failed(error, entry)


def _count(rows: Rows) -> int:
    return len(next(iter(rows.values())))


def _part(rows: Rows, part: slice, count: int) -> Rows:
    """Some of so many rows, or all of them."""
    return rows if part.stop - part.start == count else _slice(rows, part)


def _slice(rows: Rows, part: slice) -> Rows:
    return {name: array[part] for name, array in rows.items()}


def _join(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
