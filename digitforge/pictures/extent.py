"""Where in an image its ink is: the box around it, and its centre of mass."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

INK = 64  # of 255: from here on a pixel belongs to the box


def box(image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what is brighter than `INK`; there must be such."""
    width = image.shape[1]
    places = np.flatnonzero(image > INK)
    columns = places % width
    return int(places[0]) // width, int(columns.min()), int(places[-1]) // width + 1, int(columns.max()) + 1


def centre_of_mass(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Of an image that is not all 0, in rows and columns. The middle of 28 is 14, as MNIST counts."""
    mass, down, across = (_moments(*image.shape) @ image.ravel().astype(np.float64)).tolist()
    return down / mass, across / mass


@lru_cache(maxsize=8)
def _moments(height: int, width: int) -> NDArray[np.float64]:
    """float64[3, height * width]: ones, and the rows and columns of an image's pixels, whose products with its levels
    are its sum and its first moments.
    """
    rows, columns = np.indices((height, width))
    return np.stack([np.ones(height * width), rows.ravel(), columns.ravel()])
