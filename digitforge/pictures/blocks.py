"""An image of few pixels shown as blocks, wherever it lies: `imshow` without axes, or a part of a screen.

What tells it is that levels change at places that are whole numbers of blocks apart, along both axes. Then each block's
middle is a pixel of the image, exactly.
"""

import numpy as np
from numpy.typing import NDArray

LEVELS = 8  # a smaller change is noise
LONGEST = (20, 19, 21, 18, 22)  # blocks of a digit's longer side, MNIST's first
SMALLEST = 5  # pixels of a block: of smaller ones every place may be the edge
CHANGES = 8  # places along the longer side at least: a straight stroke has two, which are blocks apart in many ways
OFF = 0.12  # of a block, and a pixel at most: how far its edge lies from where it should


def from_blocks(shown: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """The digit that a picture shows as blocks.

    Args:
        shown: float32[height, width], 0 for the background and 255 for the ink.

    Returns:
        uint8[rows, columns], cut to the digit's box; None where the picture shows something else.
    """
    inked = shown > LEVELS
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if not rows.size:
        return None
    part = np.pad(shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1)
    if max(part.shape) < SMALLEST * LONGEST[0]:
        return None
    if (down := _changes(part)) is None or (right := _changes(part.T)) is None:
        return None
    if max(down.size, right.size) < CHANGES:
        return None
    longest = max(np.ptp(down), np.ptp(right))
    for count in LONGEST:
        middles = [_middles(places, longest / count) for places in (down, right)]
        if middles[0] is not None and middles[1] is not None:
            return part[np.ix_(middles[0], middles[1])].round().clip(0, 255).astype(np.uint8)
    return None


def _changes(part: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Where one row differs from the one before, neighbouring places as one; None if they are too many for blocks."""
    at = np.flatnonzero((np.abs(np.diff(part, axis=0)) > LEVELS).any(axis=1)) + 1
    if at.size > 2 * (LONGEST[-1] + 1):
        return None
    groups = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)  # a picture that was reduced has mixed rows between
    return np.array([group.mean() for group in groups])


def _middles(places: NDArray[np.float64], block: float) -> NDArray[np.intp] | None:
    """The middles of the blocks, if all places are whole numbers of blocks apart."""
    numbers = np.round((places - places[0]) / block)
    if numbers[-1] < 1:
        return None
    start = float(np.mean(places - numbers * block))
    if np.abs(places - numbers * block - start).max() > min(1.0, OFF * block):
        return None
    return (start + (np.arange(numbers[-1]) + 0.5) * block).astype(np.intp)
