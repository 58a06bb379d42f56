"""How many rows a model runs within a time, by a clock that the model itself moves."""

import numpy as np
import pytest

from serving.fair_queue import Rows
from serving.warm_up import rows_within


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
