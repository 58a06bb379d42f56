"""Whether a picture is an image in MNIST's form already, as it is, framed or enlarged; and that image.

Such an image is not to be normalised anew: it would lose what a detector looks at, pixel by pixel. So it is given as it
is, or as undoing the enlargement gives it back: the picture is written as an enlargement of an unknown small image by
one of the usual kernels, which least squares solve exactly along each axis; if little is left over, it is one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitforge.pictures.blocks import from_blocks
from digitforge.pictures.sizes import SIDE

BOX = 20  # pixels: MNIST's digits fill a box of so many ...
BOX_SLACK = 1  # ... and 99% of generated ones nearly
OFF_CENTRE = 1.0  # pixels from the middle, along each axis: MNIST has 0.5 at most, 99% of generated ones have 0.95
INK = 64  # of 255: from here on a pixel belongs to the box
DARK = 32  # up to here a pixel is background ...
DARK_SHARE = 0.45  # ... as more than 0.58 of every digit are, MNIST's or generated
BRIGHT = 200  # which the brightest pixel reaches
PLAIN = 16  # levels that a background may be away from black or white

BORDER = 4  # pixels of the image: as much of its own background may lie around it on each side
ROUND = 24  # pixels of an enlarged picture's own border that are looked at, on each side
FITTED = 140  # pixels a side: a larger picture is reduced to so many before it is compared
LEAST_SCALE = 1.3  # of an enlargement
SCALE_SLACK = 0.07  # of the scale that the digit's box tells, which may be BOX_SLACK and a little wrong
TRIALS = 6  # grids that are compared in full
PROBED = 24  # columns and rows by which grids are told apart
LEFT_OVER = (
    6.0  # levels, root mean square: JPEG and unknown kernels leave up to 3, drawings of the same size 11 and more
)
BETTER = 0.8  # times what another grid leaves
SURE = 1.5  # levels: no other grid would leave less
EVEN_SHARE = 0.9  # of an even background's edge is its level
LEAST_CONTRAST = 60  # levels between an enlarged picture's background and ink
FRAME_STEP = 24  # levels between a frame and what lies around it
FRAME_SHARE = 0.5  # of the picture's side: a frame is longer
FRAME_WHOLE = 0.85  # of each of a frame's sides is of its colour, and of what lies beyond it none
FRAME_LINE = 0.02  # of its side: how thick its line may be
BLOCK = 4  # pixels: so large a block of `NEAREST` has an inside
KERNELS = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
ROUNDS = 4  # in which what a kernel overshot is filled in
RIDGE = 1e-3  # on the normal equations, where a kernel hardly enlarges


def has_form(image: NDArray[np.uint8]) -> bool:
    """Whether uint8[28, 28] is a light digit on black in a box of 20x20 with its centre of mass in the middle."""
    if image.max() < BRIGHT or np.count_nonzero(image <= DARK) < DARK_SHARE * image.size:
        return False
    top, left, bottom, right = _box(image)
    if abs(max(bottom - top, right - left) - BOX) > BOX_SLACK:
        return False
    return max(abs(centre - SIDE / 2) for centre in _centre_of_mass(image)) <= OFF_CENTRE


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
    if min(height, width) < BOX or max(height, width) > 1.5 * min(height, width) or not is_even(_edge(grey)):
        return None
    if max(height, width) <= SIDE + 2 * BORDER and (image := _on_black(unframed(grey))) is not None:
        return _middle(image)
    if (levelled := _levelled(unframed(grey))) is None:
        return None
    image = _reduced(levelled)
    return image if image is not None else _placed(from_blocks(levelled))


def _placed(digit: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    """A digit's box where MNIST has it, its centre of mass in the middle to half a pixel, if that has MNIST's form."""
    if digit is None or not digit.any():
        return None
    top, left = (round(centre - SIDE / 2) for centre in _centre_of_mass(digit))
    image = _part(digit, top, left)
    return image if has_form(image) else None


def _on_black(grey: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """With a background of 0 or nearly so; None where it is neither black nor white."""
    edge = _edge(grey)
    if edge.max() <= PLAIN or (level := _median(edge)) <= PLAIN:
        return grey
    return 255 - grey if level >= 255 - PLAIN else None


def _background(grey: NDArray[np.uint8]) -> int:
    """The level of most pixels along the edge."""
    return _median(_edge(grey))


def _edge(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _median(levels: NDArray[np.uint8]) -> int:
    return int(np.partition(levels, levels.size // 2)[levels.size // 2])


def is_even(edge: NDArray[np.uint8]) -> bool:
    """Whether nearly all of a picture's edge is of one level."""
    same = int(np.count_nonzero(np.abs(edge.astype(np.int16) - _median(edge)) <= PLAIN))
    return same >= EVEN_SHARE * edge.size


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


def _box(image: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what is brighter than `INK`; there must be such."""
    width = image.shape[1]
    places = np.flatnonzero(image > INK)
    columns = places % width
    return int(places[0]) // width, int(columns.min()), int(places[-1]) // width + 1, int(columns.max()) + 1


def _centre_of_mass(image: NDArray[np.uint8]) -> tuple[float, float]:
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


def unframed(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without an upright frame: the rectangle inside another colour, or inside lines, as a plot's axes draw it.

    What stands outside is dropped with it. A picture without such a frame is given back as it is.
    """
    level = _background(grey)
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
    level = _background(grey[depth:-depth, depth:-depth])

    def lines(strips: NDArray[np.uint8]) -> int:
        """How many of the outermost strips, the first axis, are to go."""
        off = np.abs(np.median(strips[:depth], axis=1) - level) > FRAME_STEP / 2
        return int(np.flatnonzero(off)[-1]) + 1 if off.any() else 0

    top, bottom = lines(grey), lines(grey[::-1])
    left, right = lines(grey.T), lines(grey.T[::-1])
    return grey[top : grey.shape[0] - bottom, left : grey.shape[1] - right]


def _reduced(levelled: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """The image in MNIST's form of which this is an enlargement, float32[height, width] as `_levelled` gives it."""
    height, width = levelled.shape
    size = tuple(min(side, FITTED) for side in levelled.shape)
    shown = levelled
    if size != levelled.shape:
        shown = np.asarray(Image.fromarray(levelled).resize((size[1], size[0]), Image.Resampling.BOX))
    bright = shown.clip(0, 255).astype(np.uint8)
    top, left, bottom, right = _box(bright)
    scale = max((bottom - top) * height / size[0], (right - left) * width / size[1]) / BOX  # of the enlargement
    off = [
        (centre + 0.5) / side - 0.5 for centre, side in zip(_centre_of_mass(bright), size, strict=True)
    ]  # shares of the picture
    if scale < LEAST_SCALE or max(abs(off[0]) * height, abs(off[1]) * width) > (OFF_CENTRE + 1) * scale:
        return None
    best: tuple[float, tuple[_Enlargement, _Enlargement]] | None = None
    for grid in _grids(height, width, scale):
        for kernel in KERNELS:
            rows, columns = (
                _enlargement(length, *grid, kernel, kept) for length, kept in zip(levelled.shape, size, strict=True)
            )
            left_over = _left_over_in_part(shown, rows, columns)
            if best is None or left_over < BETTER * best[0]:  # the likeliest come first
                best = left_over, (rows, columns)
        if best is not None and best[0] < SURE:
            break
    if best is None or _left_over(shown, *best[1]) > LEFT_OVER:
        return None
    return _middle(_solved(shown, *best[1]).round().astype(np.uint8))


def _solved(shown: NDArray[np.float32], rows: "_Enlargement", columns: "_Enlargement") -> NDArray[np.float32]:
    """The small image, 0 to 255. Where a kernel overshot, what was cut off is filled in from the image found so far."""
    small: NDArray[np.floating] = rows.down @ shown @ columns.down.T
    for _ in range(ROUNDS):
        enlarged = rows.up @ small.clip(0, 255) @ columns.up.T
        uncut = np.where(
            (enlarged > 255) & (shown >= 254), enlarged, np.where((enlarged < 0) & (shown <= 1), enlarged, shown)
        )
        small = rows.down @ uncut.astype(np.float32) @ columns.down.T
    return small.clip(0, 255).astype(np.float32)


def _levelled(grey: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """float32[height, width], 0 for the background and 255 for the ink; None where the edge is no even background."""
    edge = _edge(grey)
    if not is_even(edge):
        return None
    level = _median(edge)
    above, below = int(grey.max()) - level, level - int(grey.min())
    full = max(above, below)
    if full < LEAST_CONTRAST:
        return None
    if above < below:
        grey, level = 255 - grey, 255 - level
    if level <= PLAIN and full >= BRIGHT:  # black or nearly so: its levels are the image's own
        return grey.astype(np.float32)
    level = _median(grey[np.abs(grey.astype(np.int16) - level) <= PLAIN])  # the edge is mixed with a frame's line
    return (grey.astype(np.float32) - level) * np.float32(255 / (int(grey.max()) - level))


def _grids(height: int, width: int, scale: float) -> list[tuple[int, int]]:
    """How many pixels a side the image may have, its own border with it, and how wide the enlarged picture's border is.

    The likeliest first.
    """
    length = (height + width) / 2
    found = []
    for border in range(min(ROUND, int(length / 6)) + 1):
        for around in range(BORDER + 1):
            side = SIDE + 2 * around
            wrong = abs((length - 2 * border) / side / scale - 1)
            if wrong <= SCALE_SLACK:
                found.append((border + around > 0, border > 0, wrong, (side, border)))
    return [grid for *_, grid in sorted(found)[:TRIALS]]


@dataclass(frozen=True)
class _Enlargement:
    """An enlargement along one axis.

    Attributes:
        up: float32[enlarged, small]: what each pixel of the small image gives to each of the enlarged one.
        down: float32[small, enlarged]: the least squares solution for the small image.
        inner: bool[enlarged]: where it is compared; not where two of `NEAREST`'s blocks meet, which programs round
            differently.
    """

    up: NDArray[np.float32]
    down: NDArray[np.float32]
    inner: NDArray[np.bool_]


@lru_cache(maxsize=32)
def _enlargement(length: int, side: int, border: int, kernel: Image.Resampling, kept: int) -> _Enlargement:
    """From `side` pixels to `length` with a border at both ends, and from there reduced to `kept`."""
    one = Image.fromarray(np.eye(side, dtype=np.float32))  # a picture of one pixel each
    enlarged = np.asarray(one.resize((length - 2 * border, side), kernel))
    up = np.pad(enlarged, ((0, 0), (border, border)))
    if kept != length:
        up = np.asarray(Image.fromarray(up).resize((kept, side), Image.Resampling.BOX))
    weights: NDArray[np.float64] = up.T.astype(np.float64)
    inner = np.ones(kept, np.bool_)
    if kernel == Image.Resampling.NEAREST and kept >= BLOCK * side:
        inner[1:] &= (weights[1:] == weights[:-1]).all(axis=1)
        inner[:-1] &= inner[1:]
    known = weights * inner[:, np.newaxis]
    down = np.linalg.solve(known.T @ known + RIDGE * np.eye(side), known.T)
    return _Enlargement(weights.astype(np.float32), down.astype(np.float32), inner)


def _left_over(shown: NDArray[np.float32], rows: _Enlargement, columns: _Enlargement) -> float:
    """What of a picture is no such enlargement: levels, root mean square."""
    rest = shown - rows.up @ (rows.down @ shown @ columns.down.T) @ columns.up.T
    return float(np.sqrt(np.square(rest[rows.inner][:, columns.inner]).mean()))


def _left_over_in_part(shown: NDArray[np.float32], rows: _Enlargement, columns: _Enlargement) -> float:
    """The same of some of its columns and some of its rows, along one axis each."""
    some = shown[:, :: max(1, shown.shape[1] // PROBED)]
    down = (some - rows.up @ (rows.down @ some))[rows.inner]
    some = shown[:: max(1, shown.shape[0] // PROBED)].T
    right = (some - columns.up @ (columns.down @ some))[columns.inner]
    return float(np.sqrt(np.square(down).mean() + np.square(right).mean()))
