"""How many rows a model runs within a time, by a clock that the model itself moves, and at which sizes rows agree."""

import numpy as np
import pytest

from serving.engine.fair_queue import Rows
from serving.engine.warm_up import agreeing_sizes, rows_within


class Model:
    """Takes a time for each batch and each row, and longer for the first batch of a size."""

    def __init__(self, batch_s: float, row_s: float) -> None:
        self.batch_s, self.row_s = batch_s, row_s
        self.now = 0.0
        self.sizes: list[int] = []

    def run(self, rows: Rows) -> Rows:
        count = len(rows["x"])
        self.now += self.batch_s + self.row_s * count + (0 if count in self.sizes else 10)
        self.sizes.append(count)
        return rows

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("row_s", "max_rows", "within"),
    [(0.1, 1024, 8), (0.01, 1024, 64), (1.0, 1024, 0), (0.001, 100, 64), (0.0, 1, 1)],
)
def test_rows_are_doubled_as_long_as_they_fit(row_s: float, max_rows: int, within: int) -> None:
    model = Model(0.1, row_s)
    found = rows_within(model.run, lambda count: {"x": np.zeros(count)}, 1.0, max_rows, model.clock)
    assert found == within
    assert max(model.sizes) <= max_rows


@pytest.mark.parametrize(
    ("off", "agreeing"),
    [
        ({}, [1, 2, 4, 8, 10]),
        ({2: 1}, [1, 4, 8, 10]),  # a bit in a batch's second row
        ({1: 0, 2: 0, 4: 3, 8: 7}, [10]),
    ],
)
def test_sizes_at_which_a_row_differs_are_left_out(off: dict[int, int], agreeing: list[int]) -> None:
    def run(rows: Rows) -> Rows:
        results = rows["x"] / 3
        if (size := len(results)) in off:
            results[off[size]] = np.nextafter(results[off[size]], 9, dtype=np.float32)
        return {"y": results, "other": rows["x"]}

    rows = {"x": np.arange(10, dtype=np.float32).reshape(10, 1)}
    assert agreeing_sizes(run, rows, [1, 2, 4, 8, 10]) == agreeing


def test_all_of_the_largest_batch_is_compared() -> None:
    """A bit that is off in one row shows, wherever the row is."""
    for place in range(8):

        def run(rows: Rows, place: int = place) -> Rows:
            results = rows["x"].copy()
            if len(results) == 2:
                results[rows["x"] == place] += 0.5
            return {"y": results}

        assert agreeing_sizes(run, {"x": np.arange(8.0).reshape(8, 1)}, [1, 2, 8]) == [1, 8]
