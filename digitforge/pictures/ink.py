"""Where a picture holds ink, and how much: the lighting is taken out, and the ink is found light or dark."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 48  # the lighting varies slowly: it is estimated on a grid of at most so many points a side
SPREAD = 3.0  # points of the grid that a pixel of paper lights up
AROUND = 8.0  # points of a grid twice as fine: how far a pixel's surroundings go when light ink is told from dark
FLAT = 8.0  # levels: a drawing's or a scan's paper is of one level, all but for JPEG's noise, ...
FLAT_SHARE = 0.35  # ... and so much of the picture at least; what is drawn tight covers half
SHADE = 48.0  # levels: what is so near to the paper, and not of its level, is light and shade ...
SHADED = 0.2  # ... where it is more of the picture than soft edges are
TERMS = 6  # of a polynomial of second degree in two variables
ROUNDS = 5
WEAK = 0.6  # of Otsu's threshold: a stroke in the light is fainter than one in the shade, and is not to be broken
FAINTEST = 0.08  # share of full contrast: fainter ink than this is none
NOISE = 3.0  # deviations of the paper's noise from which a pixel may be ink
CLEAR = 4.0  # deviations that the ink's level has to be above the paper, or there is none


def ink_map(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """How much ink lies at each pixel.

    Args:
        grey: float32[height, width], 0 to 255.

    Returns:
        float32[height, width], 0 on the paper and 1 where the ink is full, and the level from which it counts as ink.
        All 0 where there is no ink.
    """
    height, width = grey.shape
    ink_is_light = _ink_is_light(grey)
    paper = _flat_paper(grey, ink_is_light)
    if paper is None:
        paper = _resized(_lit_paper(_resized(grey, _grid_size(height, width, GRID)), ink_is_light), (width, height))
    contrast = _contrast(grey, paper, ink_is_light)
    split = otsu(contrast)
    below, above = contrast[contrast <= split], contrast[contrast > split]
    noise = float(np.sqrt(np.square(below).mean())) if below.size else 0.0
    full = float(np.median(above)) if above.size else 0.0
    if full < max(FAINTEST, CLEAR * noise):
        return np.zeros_like(grey), 1.0
    threshold = max(WEAK * split, min(NOISE * noise, split), FAINTEST / 2)
    low = threshold / 2
    ink = ((contrast - low) / (full - low)).clip(0, 1)
    return ink.astype(np.float32), (threshold - low) / (full - low)


def otsu(values: NDArray[np.float32]) -> float:
    """The threshold that leaves the least variance on its sides (Otsu 1979); values from 0 on, 256 bins."""
    top = float(values.max())
    if top <= 0:
        return 0.0
    bins = (values.clip(0, None) * (256 / top)).astype(np.uint16).clip(0, 255)
    counts = np.bincount(bins.ravel(), minlength=256)
    edges = np.linspace(0, top, 257)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.where((below > 0) & (above > 0), apart, -1)))])


def _ink_is_light(grey: NDArray[np.float32]) -> bool:
    """Whether ink is lighter than what lies around it.

    Ink is little and stands out much, paper the other way round, so the third moment of what differs from its
    surroundings has the ink's sign. Of light and shade, whose edges are soft, little is left in it.
    """
    fine = _resized(grey, _grid_size(grey.shape[0], grey.shape[1], 2 * GRID))
    return bool(((fine - surroundings(fine, AROUND)).astype(np.float64) ** 3).sum() > 0)


def surroundings(values: NDArray[np.float32], spread: float) -> NDArray[np.float32]:
    """The mean around each of float32[height, width], by a Gaussian of so many points."""
    return _blurred(values, spread) / _blurred(np.ones_like(values), spread)


def _flat_paper(grey: NDArray[np.float32], ink_is_light: bool) -> NDArray[np.float32] | None:
    """The level float32[1, 1] of paper that no light falls on; None where light and shade have to be told from ink.

    In a picture that its digit fills they cannot be told: much of what lies around a stroke is other strokes.
    """
    level = grey.min() if ink_is_light else grey.max()
    away = np.abs(grey - level)
    is_paper = away <= FLAT
    if is_paper.mean() < FLAT_SHARE or np.mean(away <= SHADE) - is_paper.mean() > SHADED:
        return None
    return np.full((1, 1), np.median(grey[is_paper]), np.float32)


def _lit_paper(small: NDArray[np.float32], ink_is_light: bool) -> NDArray[np.float32]:
    """The brightness of paper in light and shade: a smooth surface that most of float32[rows, columns] lies on."""
    paper = _first_guess(small)
    for _ in range(2):
        contrast = _contrast(small, paper, ink_is_light)
        deviation = _deviation(contrast)
        on_paper = contrast < max(otsu(contrast) * 0.5, NOISE * deviation, FAINTEST / 4)
        paper = _smoothed(small, on_paper, paper)
    return paper


def _first_guess(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """The paper as a smooth surface that most pixels lie on."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, size) for size in small.shape), indexing="ij")
    ones = np.ones_like(rows)
    terms = np.stack([ones, rows, columns, rows**2, columns**2, rows * columns], axis=-1).reshape(-1, TERMS)
    surface = terms @ robust_fit(terms, small.reshape(-1).astype(np.float64))
    return surface.reshape(small.shape).astype(np.float32)


def robust_fit(terms: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The coefficients that most values agree on.

    Args:
        terms: float64[count, terms], the first of them 1.
        values: float64[count].

    Returns:
        float64[terms].
    """
    coefficients = np.zeros(terms.shape[1])
    fitted = np.full_like(values, np.median(values))
    for _ in range(ROUNDS):  # least squares that trust a value the less the farther it lies off
        off = np.abs(values - fitted)
        weights = 1 / (1 + (off / max(float(np.median(off)), 1.0)) ** 2)
        # A little ridge on all but the constant: a picture of one row or column leaves terms undetermined.
        normal = (terms * weights[:, np.newaxis]).T @ terms + np.diag([0] + [1e-3 * len(values)] * (terms.shape[1] - 1))
        coefficients = np.linalg.solve(normal, terms.T @ (weights * values)).astype(np.float64)
        fitted = terms @ coefficients
    return coefficients


def _contrast(grey: NDArray[np.float32], paper: NDArray[np.float32], ink_is_light: bool) -> NDArray[np.float32]:
    """How far each pixel lies from the paper towards the ink, as a share of what it could: up to 1, below 0 beyond.

    On dark ink light acts by a factor, so that a share of the paper's brightness is the same in shade and in light.
    """
    contrast = (grey - paper) / np.maximum(255 - paper, 32) if ink_is_light else (paper - grey) / np.maximum(paper, 32)
    return contrast.astype(np.float32)


def _deviation(contrast: NDArray[np.float32]) -> float:
    """The noise as a robust deviation: most pixels are paper, and ink hardly moves a median."""
    return 1.4826 * float(np.median(np.abs(contrast - np.median(contrast))))


def _smoothed(
    small: NDArray[np.float32], on_paper: NDArray[np.bool_], guess: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The paper's brightness: the mean of what is paper around each point, on top of the guess."""
    weights = on_paper.astype(np.float32)
    total = _blurred(weights)
    return (guess + _blurred((small - guess) * weights) / np.maximum(total, 0.02)).astype(np.float32)


def _blurred(values: NDArray[np.float32], spread: float = SPREAD) -> NDArray[np.float32]:
    """A Gaussian blur along both axes; beyond the edge lies nothing."""
    for axis in (0, 1):
        places = np.arange(values.shape[axis])
        kernel = np.exp(-((places[:, np.newaxis] - places) ** 2) / (2 * spread**2)).astype(np.float32)
        kernel /= np.sqrt(2 * np.pi) * spread
        values = kernel @ values if axis == 0 else values @ kernel
    return values


def _grid_size(height: int, width: int, longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _resized(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
