"""The levels along a picture's edge, which tell its background."""

import numpy as np
from numpy.typing import NDArray

PLAIN = 16  # levels that a background may be away from black or white
EVEN_SHARE = 0.9  # of an even background's edge is its level


def edge_of(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outermost pixels of uint8[height, width], the corners twice."""
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def median(levels: NDArray[np.uint8]) -> int:
    """The upper median, sooner than NumPy's own."""
    return int(np.partition(levels, levels.size // 2)[levels.size // 2])


def background(grey: NDArray[np.uint8]) -> int:
    """The level of most pixels along the edge."""
    return median(edge_of(grey))


def is_even(edge: NDArray[np.uint8]) -> bool:
    """Whether nearly all of a picture's edge is of one level."""
    same = int(np.count_nonzero(np.abs(edge.astype(np.int16) - median(edge)) <= PLAIN))
    return same >= EVEN_SHARE * edge.size
