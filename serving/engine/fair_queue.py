"""The rows that wait for a model, and in what order they are taken: in turns, a small call before large ones.

Rows whose caller has gone or whose deadline has passed are dropped when they would be taken.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.errors import DeadlineExceededError, ResourceExhaustedError
from serving.fair_turns import FairTurns

ASKER: ContextVar[Hashable] = ContextVar("asker", default=None)
"""Who asks, such as a connection: whoever asks much at a time waits for itself."""
Rows = Mapping[str, np.ndarray]
"""Named arrays with the same number of rows each."""

RETRY_AFTER_S = 0.1
MAX_BYTES = 256 << 20  # of rows that wait, as a process's transport may hold of requests
WHOLE_ROWS = 64  # so many rows of a call are taken together


@dataclass(eq=False, slots=True)
class Entry:
    """A caller's rows: `taken` of `count` have gone into batches, and the `answer` is what has come back of them.

    They came at `came`, waited for `queue_s` until the first of them was taken, and ran for `run_s`. `call` is whatever
    the batcher's observer wants to go with them, and `is_over` that it was told of their end.
    """

    rows: Rows
    count: int
    deadline: float | None
    future: asyncio.Future[Rows]
    came: float
    size: int  # bytes, until all has been taken
    queue_s: float = 0.0
    run_s: float = 0.0
    taken: int = 0
    call: Any = None
    is_over: bool = False
    answer: dict[str, np.ndarray] = field(default_factory=dict)

    def give(self, rows: Rows, part: slice) -> bool:
        """A part has come back; the last one, for parts come in order, answers the caller. Whether it did."""
        if part.stop - part.start == self.count:
            return self.settle(rows)
        for name, array in rows.items():  # at once to its place: views would keep all batches until the last one came
            if not part.start:
                self.answer[name] = np.empty((self.count, *array.shape[1:]), array.dtype)
            self.answer[name][part] = array
        return part.stop == self.count and self.settle(self.answer)

    def settle(self, outcome: Rows | Exception) -> bool:
        """Answer the caller, if it is still there; whether it is."""
        if self.future.done():
            return False
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)
        return True


Part = tuple[Entry, slice]
"""Some of an entry's rows, for one batch."""


class Room:
    """How much may wait for a model, in all the queues that share it; `rows` of `size` bytes are waiting now.

    Args:
        max_rows: At most.
        max_bytes: At most; what is larger may wait alone.
    """

    def __init__(self, max_rows: int, max_bytes: int = MAX_BYTES) -> None:
        self.max_rows, self.max_bytes = max_rows, max_bytes
        self.rows = self.size = 0


class FairQueue:
    """Entries for which there is room; `rows` are waiting here now. Make it within a running event loop.

    Args:
        room: For what waits.
        failed: Told of each entry that is not answered, or that nobody waits for, and why.
    """

    def __init__(self, room: Room, failed: Callable[[Entry, BaseException], None] = lambda *_: None) -> None:
        self.rows = 0
        self._room, self._failed = room, failed
        self._loop = asyncio.get_running_loop()
        self._turns: FairTurns[Entry] = FairTurns()  # a turn costs its rows

    def put(self, rows: Rows, deadline: float | None) -> Entry:
        """Let rows wait; within a running event loop.

        Raises:
            ResourceExhaustedError: There is no room for them.
        """
        count = len(next(iter(rows.values())))
        room = self._room
        if room.rows + count > room.max_rows:
            raise ResourceExhaustedError(
                f"{room.rows} rows are waiting and {count} more would pass the limit of {room.max_rows}", RETRY_AFTER_S
            )
        size = _size(rows)
        if room.size and room.size + size > room.max_bytes:
            raise ResourceExhaustedError(
                f"{room.size} bytes of rows are waiting and {size} more would pass the limit of {room.max_bytes}",
                RETRY_AFTER_S,
            )
        room.size += size
        entry = Entry(rows, count, deadline, self._loop.create_future(), time.monotonic(), size)
        self._put(ASKER.get(), entry)
        self._add(count)
        return entry

    def take(self, room: int) -> list[Part]:
        """Up to `room` rows: an equal share for an entry of every asker in turn, and what is left over to the first.

        A share is at least `WHOLE_ROWS`, or a quarter of a small room: were calls of 64 rows all cut to equal pieces,
        each would have to wait for the last piece of all.
        """
        parts: list[Part] = []
        now = time.monotonic()
        if self.rows <= room:  # for all: whose turn it is does not matter
            for entry in self._turns.take_all():
                if self._is_wanted(entry, now):
                    parts.append(self._cut(entry, entry.count - entry.taken, now))
            return parts

        share = max(1, room // max(1, len(self._turns)), min(WHOLE_ROWS, room // 4))
        while self._turns and room:
            asker, entry = self._turns.take()
            if not self._is_wanted(entry, now):
                continue
            part = self._cut(entry, min(share, room, entry.count - entry.taken), now)
            parts.append(part)
            room -= part[1].stop - part[1].start
            if entry.taken < entry.count:
                self._put(asker, entry)
        return parts

    def _is_wanted(self, entry: Entry, now: float) -> bool:
        """Whether its caller still waits for an entry; the rows of one that is not wanted wait no more."""
        error: BaseException = asyncio.CancelledError()
        if entry.deadline is not None and now > entry.deadline:
            late = DeadlineExceededError("the deadline passed while the rows were waiting")
            error = late if entry.settle(late) else error
        if entry.future.done():
            self._failed(entry, error)
            self._add(entry.taken - entry.count)
            self._release(entry)
            return False
        return True

    def _cut(self, entry: Entry, rows: int, now: float) -> Part:
        """The next so many rows of an entry, which wait no more."""
        start = entry.taken
        if not start:
            entry.queue_s = now - entry.came
        entry.taken += rows
        self._add(-rows)
        if entry.taken == entry.count:
            self._release(entry)
        return entry, slice(start, start + rows)

    def give_up(self, entry: Entry, error: Exception) -> None:
        """Answer a caller with an error and free the room of the rows that it still has here."""
        self._failed(entry, error if entry.settle(error) else asyncio.CancelledError())
        self._add(entry.taken - entry.count)
        entry.taken = entry.count
        self._release(entry)

    def _put(self, asker: Hashable, entry: Entry) -> None:
        self._turns.put(asker, entry, min(WHOLE_ROWS, entry.count - entry.taken))

    def __len__(self) -> int:
        return len(self._turns)

    def _release(self, entry: Entry) -> None:
        """Nothing of an entry waits any more."""
        self._room.size -= entry.size
        entry.size = 0

    def _add(self, rows: int) -> None:
        self.rows += rows
        self._room.rows += rows


def _size(rows: Rows) -> int:
    """Bytes of arrays, also of those that hold texts, or a whole request of a model that takes no batches."""
    size = 0
    for array in rows.values():
        size += array.nbytes
        if array.dtype.hasobject:
            size += sum(_size(each) if isinstance(each, Mapping) else len(each) for each in array.flat)
    return size
