"""A picture as an enlargement of an unknown small image, by one of the usual kernels: that image, where it is one.

Along each axis an enlargement is linear, so least squares give the small image exactly; if little is left over, the
picture is one. Which grid of pixels the small image had is tried out.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitforge.pictures.extent import box, centre_of_mass
from digitforge.pictures.sizes import BOX, SIDE

BORDER = 4  # pixels of the image: as much of its own background may lie around it on each side
ROUND = 24  # pixels of an enlarged picture's own border that are looked at, on each side
FITTED = 140  # pixels a side: a larger picture is reduced to so many before it is compared
LEAST_SCALE = 1.3  # of an enlargement
SCALE_SLACK = 0.07  # of the scale that the digit's box tells, which may be a pixel and a little wrong
OFF_CENTRE = 2.0  # pixels of the image that its centre of mass may be from the picture's middle
TRIALS = 6  # grids that are compared in full
PROBED = 24  # columns and rows by which grids are told apart
LEFT_OVER = (
    6.0  # levels, root mean square: JPEG and unknown kernels leave up to 3, drawings of the same size 11 and more
)
BETTER = 0.8  # times what another grid leaves
SURE = 1.5  # levels: no other grid would leave less
BLOCK = 4  # pixels: so large a block of `NEAREST` has an inside
KERNELS = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
ROUNDS = 4  # in which what a kernel overshot is filled in
RIDGE = 1e-3  # on the normal equations, where a kernel hardly enlarges


def reduced(levelled: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    """The small image of which a picture is an enlargement.

    Args:
        levelled: float32[height, width], 0 for the background and 255 for the ink, of a digit near its middle.

    Returns:
        uint8[side, side] with what lies around MNIST's 28x28; None where it is no enlargement.
    """
    height, width = levelled.shape
    size = tuple(min(side, FITTED) for side in levelled.shape)
    shown = levelled
    if size != levelled.shape:
        shown = np.asarray(Image.fromarray(levelled).resize((size[1], size[0]), Image.Resampling.BOX))
    bright = shown.clip(0, 255).astype(np.uint8)
    top, left, bottom, right = box(bright)
    scale = max((bottom - top) * height / size[0], (right - left) * width / size[1]) / BOX  # of the enlargement
    off = [
        (centre + 0.5) / side - 0.5 for centre, side in zip(centre_of_mass(bright), size, strict=True)
    ]  # shares of the picture
    if scale < LEAST_SCALE or max(abs(off[0]) * height, abs(off[1]) * width) > OFF_CENTRE * scale:
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
    return _solved(shown, *best[1]).round().astype(np.uint8)


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
