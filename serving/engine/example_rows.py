"""Rows that are made up for a model's first runs, and what they tell of it."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from serving.engine.fair_queue import Rows
from serving.engine.signature import ANY, Tensor

SIZES = (1, 16, 64, 256)  # that are tried for what the graph leaves open
COUNT = 3
TOLERANCE = 0.05  # of the largest number: batches of other sizes may add in another order, and round otherwise


def example(inputs: Mapping[str, Tensor], size: int, count: int | None = None) -> Rows:
    """Made-up inputs: normals, bytes, other whole numbers that are 0 or 1, empty texts.

    Args:
        inputs: What the model takes.
        size: For each size that the graph leaves open ...
        count: ... but for the first one of every tensor, where this is given.
    """
    chance = np.random.default_rng(0)

    def array(tensor: Tensor) -> np.ndarray:
        shape = [size if known == ANY else known for known in tensor.shape]
        if count is not None:
            shape[0] = count
        if tensor.dtype == np.object_:
            return np.full(shape, "", object)
        if tensor.dtype.kind == "f":
            return np.asarray(chance.standard_normal(shape)).astype(tensor.dtype)
        # Of bytes any, since most are pixels; other whole numbers may well be places in a table.
        return np.asarray(chance.integers(0, 256 if tensor.dtype == np.uint8 else 2, shape)).astype(tensor.dtype)

    return {name: array(tensor) for name, tensor in inputs.items()}


def makers(inputs: Mapping[str, Tensor]) -> Iterator[Callable[[int], Rows]]:
    """Makers of so many rows, one for each size that is worth a try for what the graph leaves open."""
    is_open = any(ANY in tensor.shape[1:] for tensor in inputs.values())
    for size in SIZES if is_open else SIZES[:1]:
        yield lambda count, size=size: example(inputs, size, count)  # type: ignore[misc]


def why_rows_mix(run: Callable[[Rows], Rows], rows_of: Callable[[int], Rows]) -> str:
    """How a few rows get other answers together than each by itself; empty: they get the same.

    A model that computes over its batch (a mean of all rows, say) must be given one caller's at a time. This is a
    sample of made-up rows, and no proof.

    Raises:
        Exception: The model fails on them.
    """
    rows = rows_of(COUNT)
    whole = run(rows)
    for name, array in whole.items():
        if array.ndim == 0 or len(array) != COUNT:
            return f"{name} has the shape {list(array.shape)} for {COUNT} rows"
    for row in range(COUNT):
        for name, array in run({name: array[row : row + 1] for name, array in rows.items()}).items():
            if not _alike(array, whole[name][row : row + 1]):
                return f"{name} of a row is another with other rows beside it"
    return ""


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype == np.object_:
        return bool((one == other).all())
    one, other = one.astype(np.float64), other.astype(np.float64)
    largest = np.abs(other[np.isfinite(other)]).max(initial=0.0)
    return np.allclose(one, other, rtol=0, atol=TOLERANCE * float(largest), equal_nan=True)
