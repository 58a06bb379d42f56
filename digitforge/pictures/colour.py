"""Colour as brightness, where ink and paper differ in colour alone: red on green, blue on grey, yellow on white."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitforge.pictures.ink import surroundings

GLANCE = 96  # pixels a side by which it is decided ...
SAMPLED = 4  # ... each the mean of at most so many by so many
SPREAD = 9.0  # pixels of the glance: light and shade are softer than ink
FAINTEST = 6.0  # levels: less colour is noise, or JPEG's
CLEARER = 2.0  # times what brightness tells: of ink on most papers colour tells far less than brightness does
FULL = 96  # levels between paper and ink
FARTHEST = 0.5  # percent of the pixels are cut off at each end
# Cb and Cr of JPEG (ITU-T T.871, section 7) as sums of red, green and blue, without their offset.
CHROMA = np.array([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


def grey_of(picture: Image.Image) -> Image.Image:
    """A colour picture's brightness; or its colour, along the line on which most of it lies, if that tells much more.

    The line is the principal component of the chroma (Cb and Cr) without what varies as slowly as light does.

    Args:
        picture: In mode RGB.

    Returns:
        In mode L. Which end of a line of colours is light has no meaning.
    """
    glance = _glance(picture)
    chroma = glance @ CHROMA.T
    if np.ptp(chroma, axis=(0, 1)).max() < FAINTEST:
        return picture.convert("L")
    grey = np.asarray(Image.fromarray(glance.astype(np.uint8)).convert("L"), np.float32)
    apart = np.stack([plane - surroundings(plane, SPREAD) for plane in (chroma[..., 0], chroma[..., 1])], axis=-1)
    flat = apart.reshape(-1, 2).astype(np.float64)
    line = np.linalg.eigh(flat.T @ flat)[1][:, -1]
    told = _strength(flat @ line)
    if told < FAINTEST or told < CLEARER * _strength(grey - surroundings(grey, SPREAD)):
        return picture.convert("L")
    along = chroma @ line
    middle = float(np.median(along))
    low, high = np.percentile(along, [FARTHEST, 100 - FARTHEST])
    scale = FULL / float(max(high - middle, middle - low, 1.0))
    red, green, blue = (float(weight) for weight in scale * (line @ CHROMA))
    return picture.convert("L", (red, green, blue, 128 - middle * scale))


def _glance(picture: Image.Image) -> NDArray[np.float32]:
    """The picture at a size of at most 96 pixels a side: float32[rows, columns, 3]."""
    for side, kernel in ((GLANCE * SAMPLED, Image.Resampling.NEAREST), (GLANCE, Image.Resampling.BOX)):
        if (scale := side / max(picture.size)) < 1:
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            picture = picture.resize(size, kernel)
    return np.asarray(picture, np.float32)


def _strength(values: NDArray[np.floating]) -> float:
    """How far values lie from 0, the few that lie far above all: the fourth root of their fourth moment."""
    return float(np.mean(np.square(np.square(values.astype(np.float64)))) ** 0.25)
