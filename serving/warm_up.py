"""The first runs of a model: the very first is slow, and the fastest tells how long a batch takes here."""

import time
from collections.abc import Callable

from serving.fair_queue import Rows

TRIES = 3


def rows_within(
    run: Callable[[Rows], Rows],
    rows_of: Callable[[int], Rows],
    limit_s: float,
    max_rows: int,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """How many rows the model runs within a time, as a power of two.

    Args:
        run: The model.
        rows_of: Makes a batch of so many rows.
        limit_s: The time in seconds.
        max_rows: Where to stop.
        clock: What tells the time, in seconds.

    Returns:
        0 if even one row takes longer.
    """
    rows, within = 1, 0
    while rows <= max_rows:
        batch = rows_of(rows)
        if min(_timed(run, batch, clock) for _ in range(TRIES)) > limit_s:
            break
        within, rows = rows, rows * 2
    return within


def _timed(run: Callable[[Rows], Rows], batch: Rows, clock: Callable[[], float]) -> float:
    start = clock()
    run(batch)
    return clock() - start
