"""A picture of a digit in MNIST's form: white ink on black, in a box of 20x20, its centre of mass in the middle.

MNIST's way (LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", section III.A): the digit,
black or white, is brought to a 20x20 box at its own aspect ratio, with the grey levels that anti-aliasing leaves, and
moved by whole pixels so that its centre of mass lies at the centre of 28x28. What comes before, finding the ink in a
photo, is ours; docs/scoring.md tells it with figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitforge.pictures.components import bounding_box, find_digit
from digitforge.pictures.decoded import Decoded, Found
from digitforge.pictures.edge import is_even
from digitforge.pictures.form import in_form
from digitforge.pictures.ink import ink_map, robust_fit
from digitforge.pictures.lines import without_lines
from digitforge.pictures.sheet import SMALLEST, find_sheet
from digitforge.pictures.sizes import BOX, SIDE

FINE = 8  # places in a pixel of the box, at which strokes get their outline and are widened
OUTLINE = 0.5  # of full ink lies a stroke's outline ...
SOFT = 0.1  # ... to either side of which in this much of it ink goes from 0 to 1
THINNEST = 1.5  # pixels in the box: one in fifty of MNIST's test digits has thinner strokes
WIDENED_TO = 2.2  # what thinner strokes are widened to: a little less than the median of MNIST's test digits, 2.4
LOOK = 560  # pixels a side of what is compared with MNIST's form: twenty times its own
WORK = 256**2  # pixels: a larger picture is reduced to so many before its digit is looked for
LEAST = 64**2  # pixels: a smaller one is enlarged, so that its strokes have an inside
MARGIN = 0.25  # of the digit's longer side, kept around it for a closer look
EDGE = 0.1  # ink from which a pixel belongs to the digit's box: its soft edge is inside, as in MNIST
PADDING = 0.25  # of the longer side: paper put around a picture whose digit touches its edge
CUT = 24  # pixels a side: a smaller picture was cut to its digit, and what touches its edge is a part of that
EMPTY = 0.02  # ink in the whole box, in full pixels: less is none


def normalise(picture: Image.Image) -> Decoded:
    """Bring a picture to MNIST's form: nothing is done to an image that has it already, as it is, framed or enlarged.

    Args:
        picture: In mode L, of any size.

    Returns:
        Its pixels are white ink on black, 0 where there is none; all 0 for a picture without ink.
    """
    if (decoded := at_once(picture)) is not None:
        return decoded
    work, scale = _work_size(picture)
    found = None
    if max(picture.size) >= SMALLEST and (sheet := find_sheet(np.asarray(work, np.float32))) is not None:
        left, top, right, bottom = sheet
        width, height = picture.size
        part = picture.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
        found = _whole_digit(part, *_work_size(part))
    if found is None or found.found == Found.NOTHING:
        found = _whole_digit(picture, work, scale)
    return Decoded(found.pixels, normalised=True, found=found.found)


def at_once(picture: Image.Image) -> Decoded | None:
    """A picture in mode L of an image that has MNIST's form, as it is, framed or enlarged; None for any other."""
    if max(picture.size) > LOOK and not _has_even_edge(picture):
        return None
    grey = np.asarray(_within(picture, LOOK))
    if (image := in_form(grey)) is None:
        return None
    return Decoded(image, normalised=image is not grey, found=Found.ONE)


@dataclass(frozen=True)
class _Digit:
    """What was found in a picture.

    Attributes:
        pixels: uint8[28, 28].
        found: See `Found`.
        is_whole: There is a digit, and it does not touch the picture's edge.
    """

    pixels: NDArray[np.uint8]
    found: Found
    is_whole: bool


def _whole_digit(picture: Image.Image, work: Image.Image, scale: float) -> _Digit:
    """The same as `_digit`, with more paper around the picture where the digit touches its edge, or is cut to it."""
    if max(picture.size) < CUT:
        return _digit(_padded(np.asarray(picture, np.float32)))
    found = _digit(picture, work, scale)
    if found.is_whole:
        return found
    grey = np.asarray(work, np.float32)
    plain = without_lines(grey)
    padded = _digit(_padded(np.asarray(_within(picture, LOOK), np.float32) if plain is grey else plain))
    return padded if padded.found != Found.NOTHING else found


def _digit(picture: Image.Image, work: Image.Image | None = None, scale: float = 1.0) -> _Digit:
    """Find a picture's digit and draw it as MNIST has it.

    Args:
        picture: The picture.
        work: The same at a size to work at, where it is at hand ...
        scale: ... and its scale, as `_work_size` gives both.
    """
    found, is_closer, is_ruled = Found.NOTHING, False, False
    while True:
        if work is None:
            work, scale = _work_size(picture)
        grey = np.asarray(work, np.float32)
        plain = without_lines(grey, are_known=is_ruled)
        is_ruled = plain is not grey
        ink, threshold = ink_map(plain)
        mask, seen = find_digit(ink, threshold)
        found = max(found, seen)
        ink = np.where(mask, ink, 0).astype(np.float32)
        if not (inked := ink > EDGE).any():
            return _Digit(np.zeros((SIDE, SIDE), np.uint8), Found.NOTHING, is_whole=False)
        top, left, bottom, right = bounding_box(inked)
        margin = MARGIN * max(bottom - top, right - left) + 2
        closer = (
            max(0, int((left - margin) / scale)),
            max(0, int((top - margin) / scale)),
            min(picture.width, int((right + margin) / scale) + 1),
            min(picture.height, int((bottom + margin) / scale) + 1),
        )
        area = (closer[2] - closer[0]) * (closer[3] - closer[1])
        if is_closer or scale >= 1 or area > picture.width * picture.height / 2:
            break
        picture, work = picture.crop(closer), None  # once more on the digit alone, as large as the picture has it
        is_closer = True
    is_whole = top > 0 and left > 0 and bottom < ink.shape[0] and right < ink.shape[1]
    pixels = _in_field(_in_box(ink[top:bottom, left:right]))
    return _Digit(pixels, found if pixels.any() else Found.NOTHING, is_whole)


def _padded(grey: NDArray[np.float32]) -> Image.Image:
    """A picture float32[height, width] with more paper on all sides, as bright as a plane through its edge's levels.

    Most of them are paper.
    """
    height, width = grey.shape
    rows, columns = (np.linspace(-1, 1, side) for side in grey.shape)
    places = np.concatenate(
        [
            np.stack([np.full(width, row), columns], axis=1)
            if along
            else np.stack([rows, np.full(height, row)], axis=1)
            for along in (True, False)
            for row in (-1.0, 1.0)
        ]
    )
    levels = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).astype(np.float64)
    terms = np.concatenate([np.ones((len(places), 1)), places], axis=1)
    plane = robust_fit(terms, levels)
    by = max(2, round(PADDING * max(height, width)))
    down, right = ((np.arange(-by, side + by) / max(side - 1, 1)) * 2 - 1 for side in grey.shape)
    field = plane[0] + plane[1] * down[:, np.newaxis] + plane[2] * right
    field = field.clip(levels.min(), levels.max())
    field[by : by + height, by : by + width] = grey
    return Image.fromarray(field.round().astype(np.uint8))


def stroke_width(ink: NDArray[np.float32]) -> float:
    """The mean width of the strokes, in pixels: a stroke's outline is about twice as long as itself.

    The outline's length is the sum of the slopes, which asks for no threshold (the co-area formula).

    Args:
        ink: float32[height, width], 0 to 1.
    """
    padded = np.pad(ink, 1)
    down, right = np.diff(padded, axis=0)[:, :-1], np.diff(padded, axis=1)[:-1]
    outline = float(np.hypot(down, right).sum())
    return 2 * float(ink.sum()) / outline if outline else 0.0


def _has_even_edge(picture: Image.Image) -> bool:
    """Whether the pixels along a picture's edge are of one level: around such an image, not in a photo."""
    right, bottom = picture.width, picture.height
    sides = ((0, 0, right, 1), (0, bottom - 1, right, bottom), (0, 0, 1, bottom), (right - 1, 0, right, bottom))
    edge = np.concatenate([np.asarray(picture.crop(side)).ravel() for side in sides])
    return is_even(edge)


def _within(picture: Image.Image, side: int) -> Image.Image:
    """Reduced to so many pixels a side, if it is larger."""
    if max(picture.size) <= side:
        return picture
    scale = side / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _work_size(picture: Image.Image) -> tuple[Image.Image, float]:
    """The picture at a size to work at, and how many of its pixels one of the original's sides has become."""
    area = picture.width * picture.height
    scale = (WORK / area) ** 0.5 if area > WORK else min(8.0, max(1.0, (LEAST / area) ** 0.5))
    if scale == 1:
        return picture, 1.0
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    kind = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return picture.resize(size, kind, reducing_gap=2.0 if scale < 1 else None), scale


def _in_box(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """A digit's ink float32[height, width] so large that its longer side is 20: float32[<= 20, <= 20], 0 to 1.

    All grey levels are made here, of strokes with a sharp outline, as MNIST's were made of black and white scans: a
    picture of few pixels has none, or others. Strokes thinner than MNIST's are widened: a ballpoint's would be a faint
    grey line in 20 pixels.
    """
    width = stroke_width(ink) * BOX / max(ink.shape)
    wider = 0
    if width < THINNEST:
        # Widened by r on each side, the digit has to be 2r smaller before: w (20 - 2r) / 20 + 2r is the width wanted.
        wider = round(FINE * (WIDENED_TO - width) / (2 * (1 - width / BOX)))
    fine = _resized(ink, BOX * FINE - 2 * wider)
    fine = ((fine - OUTLINE) / SOFT + 0.5).clip(0, 1).astype(np.float32)
    fine = _widened(np.pad(fine, wider), wider)
    height, breadth = (max(1, round(side / FINE)) for side in fine.shape)
    return np.asarray(Image.fromarray(fine).resize((breadth, height), Image.Resampling.BOX))


def _resized(ink: NDArray[np.float32], long_side: int) -> NDArray[np.float32]:
    """With a longer side of so many pixels, at its own aspect ratio."""
    scale = long_side / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


def _widened(ink: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Strokes wider by so many pixels on each side: the largest value in a diamond and a square in turn, an octagon."""
    for step in range(by):
        padded = np.pad(ink, 1)
        down = np.maximum(np.maximum(padded[:-2], padded[2:]), padded[1:-1])
        if step % 2:
            ink = np.maximum(np.maximum(down[:, :-2], down[:, 2:]), down[:, 1:-1])
        else:
            ink = np.maximum(np.maximum(padded[1:-1, :-2], padded[1:-1, 2:]), down[:, 1:-1])
    return ink


def _in_field(digit: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A digit float32[<= 20, <= 20] on 28x28 with its centre of mass, to half a pixel, at (14, 14), as MNIST has it."""
    mass = float(digit.sum())
    if mass < EMPTY:
        return np.zeros((SIDE, SIDE), np.uint8)
    digit = digit / digit.max()
    mass = float(digit.sum())
    corner = []
    for axis, size in enumerate(digit.shape):
        centre = float(digit.sum(axis=1 - axis) @ np.arange(size)) / mass
        corner.append(min(max(int(np.floor(SIDE / 2 + 0.5 - centre)), 0), SIDE - size))
    field = np.zeros((SIDE, SIDE), np.uint8)
    field[corner[0] : corner[0] + digit.shape[0], corner[1] : corner[1] + digit.shape[1]] = (digit * 255).round()
    return field
