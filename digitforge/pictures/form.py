"""Whether a picture is an image in MNIST's form already, as it is, framed or enlarged; and that image.

Such an image is not to be normalised anew: it would lose what a detector looks at, pixel by pixel. So it is given as it
is, or as undoing the enlargement gives it back.
"""

import numpy as np
from numpy.typing import NDArray

from digitforge.pictures.blocks import from_blocks
from digitforge.pictures.edge import PLAIN, edge_of, is_even, median
from digitforge.pictures.enlargement import BORDER, reduced
from digitforge.pictures.extent import INK, box, centre_of_mass
from digitforge.pictures.frame import unframed
from digitforge.pictures.sizes import BOX, SIDE

BOX_SLACK = 1  # pixel: 99% of generated digits fill MNIST's box nearly
OFF_CENTRE = 1.0  # pixels from the middle, along each axis: MNIST has 0.5 at most, 99% of generated ones have 0.95
DARK = 32  # up to here a pixel is background ...
DARK_SHARE = 0.45  # ... as more than 0.58 of every digit are, MNIST's or generated
BRIGHT = 200  # which the brightest pixel reaches
LEAST_CONTRAST = 60  # levels between an enlarged picture's background and ink


def has_form(image: NDArray[np.uint8]) -> bool:
    """Whether uint8[28, 28] is a light digit on black in a box of 20x20 with its centre of mass in the middle."""
    if image.max() < BRIGHT or np.count_nonzero(image <= DARK) < DARK_SHARE * image.size:
        return False
    top, left, bottom, right = box(image)
    if abs(max(bottom - top, right - left) - BOX) > BOX_SLACK:
        return False
    return max(abs(centre - SIDE / 2) for centre in centre_of_mass(image)) <= OFF_CENTRE


def in_form(grey: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The image in MNIST's form that a picture is, or shows with a border, dark on light, or enlarged.

    Args:
        grey: uint8[height, width], of any size.

    Returns:
        uint8[28, 28], white ink on black; None where it is something else.
    """
    height, width = grey.shape
    if grey.shape == (SIDE, SIDE):
        image = _on_black(grey)
        return image if image is not None and has_form(image) else None
    if min(height, width) < BOX or max(height, width) > 1.5 * min(height, width) or not is_even(edge_of(grey)):
        return None
    if max(height, width) <= SIDE + 2 * BORDER and (image := _on_black(unframed(grey))) is not None:
        return _middle(image)
    if (levelled := _levelled(unframed(grey))) is None:
        return None
    if (small := reduced(levelled)) is not None and (image := _middle(small)) is not None:
        return image
    return _placed(from_blocks(levelled))


def _placed(digit: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """A digit's box where MNIST has it, its centre of mass in the middle to half a pixel, if that has MNIST's form."""
    if digit is None or not digit.any():
        return None
    top, left = (round(centre - SIDE / 2) for centre in centre_of_mass(digit))
    image = _part(digit, top, left)
    return image if has_form(image) else None


def _on_black(grey: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """With a background of 0 or nearly so; None where it is neither black nor white."""
    edge = edge_of(grey)
    if edge.max() <= PLAIN or (level := median(edge)) <= PLAIN:
        return grey
    return 255 - grey if level >= 255 - PLAIN else None


def _middle(image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The middle of an image of nearly 28x28, if it has MNIST's form and nothing of the digit lies outside."""
    height, width = image.shape
    part = _part(image, (height - SIDE) // 2, (width - SIDE) // 2)
    is_whole = np.count_nonzero(part > INK) == np.count_nonzero(image > INK)
    return part if is_whole and has_form(part) else None


def _part(image: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    """28x28 pixels from there, black where the image has none."""
    part = np.zeros((SIDE, SIDE), np.uint8)
    rows = slice(max(top, 0), min(top + SIDE, image.shape[0]))
    columns = slice(max(left, 0), min(left + SIDE, image.shape[1]))
    part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[rows, columns]
    return part


def _levelled(grey: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """float32[height, width], 0 for the background and 255 for the ink; None where the edge is no even background."""
    edge = edge_of(grey)
    if not is_even(edge):
        return None
    level = median(edge)
    above, below = int(grey.max()) - level, level - int(grey.min())
    full = max(above, below)
    if full < LEAST_CONTRAST:
        return None
    if above < below:
        grey, level = 255 - grey, 255 - level
    if level <= PLAIN and full >= BRIGHT:  # black or nearly so: its levels are the image's own
        return grey.astype(np.float32)
    level = median(grey[np.abs(grey.astype(np.int16) - level) <= PLAIN])  # the edge is mixed with a frame's line
    return (grey.astype(np.float32) - level) * np.float32(255 / (int(grey.max()) - level))
