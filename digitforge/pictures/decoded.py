"""What comes out of a picture: an image in MNIST's form, and what it was taken for on the way."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Found(IntEnum):
    """What a picture shows, as far as its ink tells. Whether one thing is a digit is for a detector to say."""

    NOTHING = 0  # blank paper, or noise alone: the pixels are all 0
    ONE = 1
    SEVERAL = 2  # one thing was taken, and there is more of its size beside it


@dataclass(frozen=True)
class Decoded:
    """An image as the detector takes it.

    Attributes:
        pixels: uint8[28, 28], white ink on black.
        normalised: Whether it was brought to this form: the pixels are not simply those that were sent.
        found: What the picture shows.
    """

    pixels: NDArray[np.uint8]
    normalised: bool
    found: Found
