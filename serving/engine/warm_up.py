"""The first runs of a model: the very first is slow, the fastest tells how long a batch takes here, and their results
which batch sizes give the same bytes.
"""

import time
from collections.abc import Callable, Sequence

from serving.engine.fair_queue import Rows

TRIES = 3
PLACES = 64  # in the largest batch, at most, at which a smaller one is compared with it


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


def agreeing_sizes(run: Callable[[Rows], Rows], rows: Rows, sizes: Sequence[int]) -> list[int]:
    """The batch sizes at which a model gives each row the same bytes as in the largest batch.

    It is what the promise of the same image in any batch rests on where a GPU picks a kernel by the batch size: another
    kernel may add in another order. What is left is at least the largest size.

    Args:
        run: The model.
        rows: A batch of the largest size.
        sizes: Rows of a batch, ascending.
    """
    whole = run(rows)

    def agrees(size: int) -> bool:
        for start in range(0, sizes[-1] - size + 1, size)[:PLACES]:
            part = slice(start, start + size)
            results = run({name: array[part] for name, array in rows.items()})
            if any(array.tobytes() != whole[name][part].tobytes() for name, array in results.items()):
                return False
        return True

    return [size for size in sizes[:-1] if agrees(size)] + [sizes[-1]]


def _timed(run: Callable[[Rows], Rows], batch: Rows, clock: Callable[[], float]) -> float:
    start = clock()
    run(batch)
    return clock() - start
