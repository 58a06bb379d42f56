"""An upright frame around an image: another colour, or the lines that a plot's axes draw."""

import numpy as np
from numpy.typing import NDArray

from digitforge.pictures.edge import background
from digitforge.pictures.sizes import BOX

FRAME_STEP = 24  # levels between a frame and what lies around it
FRAME_SHARE = 0.5  # of the picture's side: a frame is longer
FRAME_WHOLE = 0.85  # of each of a frame's sides is of its colour, and of what lies beyond it none
FRAME_LINE = 0.02  # of its side: how thick its line may be


def unframed(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without an upright frame: the rectangle inside another colour, or inside lines, as a plot's axes draw it.

    What stands outside is dropped with it. A picture without such a frame is given back as it is.
    """
    level = background(grey)
    other: NDArray[np.bool_] = np.abs(grey.astype(np.int16) - level) > FRAME_STEP
    height, width = grey.shape
    rows = np.flatnonzero(other.sum(axis=1) >= FRAME_SHARE * width)
    columns = np.flatnonzero(other.sum(axis=0) >= FRAME_SHARE * height)
    if not rows.size or not columns.size:
        return grey
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    is_long = bottom - top >= max(BOX, FRAME_SHARE * height) and right - left >= max(BOX, FRAME_SHARE * width)
    if (bottom - top, right - left) == grey.shape or not is_long:
        return grey
    inside = (
        other[top, left:right], other[bottom - 1, left:right], other[top:bottom, left], other[top:bottom, right - 1],
    )  # fmt: skip
    beyond = (
        other[max(0, top - 2) : top, left:right].T, other[bottom : bottom + 2, left:right].T,
        other[top:bottom, max(0, left - 2) : left], other[top:bottom, right : right + 2],
    )  # fmt: skip
    is_whole = min(float(side.mean()) for side in inside) >= FRAME_WHOLE
    if not is_whole or max(float(side.all(axis=1).mean()) for side in beyond if side.size) > 1 - FRAME_WHOLE:
        return grey
    return _without_lines(grey[top:bottom, left:right])


def _without_lines(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without the lines along its edges that are of another level than what lies a little further in."""
    depth = max(2, round(FRAME_LINE * min(grey.shape)))
    level = background(grey[depth:-depth, depth:-depth])

    def lines(strips: NDArray[np.uint8]) -> int:
        """How many of the outermost strips, the first axis, are to go."""
        off = np.abs(np.median(strips[:depth], axis=1) - level) > FRAME_STEP / 2
        return int(np.flatnonzero(off)[-1]) + 1 if off.any() else 0

    top, bottom = lines(grey), lines(grey[::-1])
    left, right = lines(grey.T), lines(grey.T[::-1])
    return grey[top : grey.shape[0] - bottom, left : grey.shape[1] - right]
