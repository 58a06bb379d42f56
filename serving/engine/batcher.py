"""Dynamic batching: rows of many callers in, one call of the model, each caller's rows out.

It takes rows and gives rows, and knows neither the transport nor the runtime. While the model runs, rows wait; what
has gathered when it is free is the next batch. A large request is split and small ones are merged (`fair_queue.py`).
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serving.engine.fair_queue import FairQueue, Part, Rows
from serving.engine.observer import Observer, Unobserved
from serving.errors import InternalError, UnavailableError


class Batcher:
    """Batches the rows of concurrent callers for one model, one batch at a time. Make it within a running event loop.

    Args:
        run: The model: a batch of rows to as many rows.
        max_batch_rows: Rows in a batch at most.
        max_queue_rows: Rows waiting at most; beyond, callers are refused.
        max_delay_s: How long a batch that is not full waits for more rows. 0: not at all.
        inline_rows: A batch of so many rows or fewer runs in the event loop's own thread, since changing threads would
            take longer than the model; a larger one in a thread beside it.
        thread: That thread, where the model has run in it before; it ends with the batcher. Absent: a new one.
        observer: Is told of requests and batches.
    """

    def __init__(
        self,
        run: Callable[[Rows], Rows],
        max_batch_rows: int,
        max_queue_rows: int,
        max_delay_s: float = 0.0,
        inline_rows: int = 0,
        thread: ThreadPoolExecutor | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._run = run
        self.max_batch_rows = max_batch_rows
        self.max_delay_s = max_delay_s
        self.inline_rows = inline_rows
        self._queue = FairQueue(max_queue_rows)
        self._loop = asyncio.get_running_loop()
        self._busy = False  # with a batch, in the thread
        self._pick_up: asyncio.Handle | None = None  # the next one, where one is due
        self._delayed = False  # whether it waits for a full batch
        self._closing = False
        self._idle = asyncio.Event()
        self._observer = observer or Unobserved()
        self._thread = thread or ThreadPoolExecutor(1, thread_name_prefix="batcher")

    @property
    def queued_rows(self) -> int:
        """Rows that wait."""
        return self._queue.rows

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
        self._observer.request_came()
        entry = None
        try:
            if self._closing:
                raise UnavailableError("the server is shutting down")
            entry = self._queue.put(rows, deadline)
            self._schedule()
            answer = await entry.future  # cancelling the caller cancels the future: its rows are dropped at pick-up
        except BaseException as error:
            queue_s, run_s = (entry.queue_s, entry.run_s) if entry else (0.0, 0.0)
            self._observer.request_ended(len(next(iter(rows.values()))), queue_s, run_s, error)
            raise
        self._observer.request_ended(entry.count, entry.queue_s, entry.run_s, None)
        return answer

    async def close(self) -> None:
        """Run what waits, refuse what comes, and end the thread."""
        self._closing = True
        self._schedule()
        await self._idle.wait()
        self._thread.shutdown()

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
            try:
                rows = _join([_slice(entry.rows, part) for entry, part in batch])
                if len(next(iter(rows.values()))) <= self.inline_rows:
                    self._give(batch, *self._timed(rows))
                else:
                    self._busy = True
                    running = self._loop.run_in_executor(self._thread, self._timed, rows)
                    running.add_done_callback(lambda ended: self._end(batch, ended))
            except Exception as error:
                self._fail(batch, error)
        self._schedule()

    def _timed(self, rows: Rows) -> tuple[Rows, float]:
        """What the model makes of a batch, and how long it took, in s."""
        start = time.monotonic()
        return self._run(rows), time.monotonic() - start

    def _end(self, batch: list[Part], ended: asyncio.Future[tuple[Rows, float]]) -> None:
        """A batch in the thread has ended."""
        self._busy = False
        try:
            self._give(batch, *ended.result())
        except Exception as error:
            self._fail(batch, error)
        self._schedule()

    def _give(self, batch: list[Part], results: Rows, run_s: float) -> None:
        """Each caller its part."""
        start = 0
        for entry, part in batch:
            stop = start + part.stop - part.start
            entry.run_s += run_s
            entry.give(_slice(results, slice(start, stop)), part)
            start = stop
        self._observer.batch_ran(start)

    def _fail(self, batch: list[Part], error: Exception) -> None:
        for entry, _ in batch:
            self._queue.give_up(entry, InternalError(f"the model failed: {error}"))  # an exception of its own for each


def _slice(rows: Rows, part: slice) -> Rows:
    return {name: array[part] for name, array in rows.items()}


def _join(parts: list[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
