"""What a burst of calls leaves behind in a worker: given back to the system once it is quiet, else told."""

import ctypes
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

SPARE_BYTES = 16 << 20  # so much more than at the start is worth looking for
GROWTH_BYTES = 512 << 20  # so much more, and nothing to give back, is told
QUIET = 0.1  # of a core: who uses less has no burst of calls
PAUSE_S = 5.0  # between two times that memory is given back
STATM = Path("/proc/self/statm")
ARENA_MAX = -8  # mallopt's M_ARENA_MAX


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not say."""
    try:
        return int(STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def share_one_heap() -> None:
    """Have glibc's malloc take all from one heap, before there are threads.

    Else each thread has its own, and what a burst leaves is spread over all of them. Python lets one thread run at a
    time, and ONNX Runtime keeps what a run needs, so they hardly ever wait for each other there.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(ARENA_MAX, 1)


def trim() -> None:
    """Give back what is no longer used: a quiet process collects no garbage, glibc keeps all but its heaps' ends."""
    gc.collect()  # connections that have gone are rings of objects
    if (malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        malloc_trim(ctypes.c_size_t(0))  # of 350 MB in 26 ms, measured


class Memory:
    """Of this process, compared with what it was when this was made.

    Args:
        resident: Tells its bytes.
        give_back: Makes it less.
        busy_s: The processor's time so far.
    """

    def __init__(
        self,
        resident: Callable[[], int] = resident_bytes,
        give_back: Callable[[], None] = trim,
        busy_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._resident, self._give_back, self._busy_s = resident, give_back, busy_s
        self._before = resident()
        self._looked, self._busy = time.monotonic(), busy_s()
        self._next = -float("inf")

    def look(self, now: float) -> str | None:
        """Call it about every second. Where too much stays even after all was given back: a line for a person."""
        busy, elapsed = self._busy_s() - self._busy, now - self._looked
        self._looked, self._busy = now, self._busy + busy
        if busy > QUIET * elapsed or now < self._next or self._resident() - self._before < SPARE_BYTES:
            return None
        self._next = now + PAUSE_S
        self._give_back()
        grown = self._resident() - self._before
        return f"keeps {grown >> 20} MB more than at its start" if grown > GROWTH_BYTES else None
