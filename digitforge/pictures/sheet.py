"""The sheet in a picture that shows more: paper on a desk, a board on a wall, a canvas in a window."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitforge.pictures.components import bounding_box, connected_parts

GRID = 96  # cells of the longer side on which it is looked for
NARROWEST = 8  # cells of its shorter side
STEP = 40  # levels between the sheet and what lies around it
AROUND = 0.7  # of the picture's edge is not the sheet
AREA = 0.25  # of the picture that it covers at least
FULL = 0.8  # of its box that a sheet fills, turned by a few degrees; a round digit fills 0.785
INK = 0.35  # of a sheet at most
BETWEEN = 0.2  # of the cells at most are of a level in between: a sheet's border is sharp, and light's is not
CORNERS = 0.1  # of a side at each end, where the sides next to it begin
BENT = 0.04  # of the other side: its outline is so close to a straight line, as a thick zero's is not ...
NOTCHED = 0.2  # ... but for so much of it, where ink reaches it
SMALLEST = 48  # pixels of the picture's longer side: in fewer a digit on a sheet would not be legible
TRIMMED = 0.97  # of a side of the part that is kept is sheet


def find_sheet(grey: NDArray[np.float32]) -> tuple[float, float, float, float] | None:
    """Where a sheet lies, upright and without its border.

    Args:
        grey: float32[height, width], 0 to 255.

    Returns:
        Its left, top, right and bottom as shares of the picture; None where there is none.
    """
    height, width = grey.shape
    scale = min(1.0, GRID / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    if min(rows, columns) < NARROWEST:
        return None
    outermost = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    some = grey[height // 4 : height - height // 4 : 4, width // 4 : width - width // 4 : 4]
    if abs(float(np.median(some)) - float(np.median(outermost))) < STEP / 2:  # as of most pictures
        return None
    cells = np.asarray(Image.fromarray(grey).resize((columns, rows), Image.Resampling.BOX))
    edge = np.concatenate([cells[0], cells[-1], cells[1:-1, 0], cells[1:-1, -1]])
    around = float(np.median(edge))
    inner = cells[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4]
    paper = float(np.median(inner))
    if abs(paper - around) < STEP:
        return None
    towards = (cells - around) / (paper - around)  # 0 around, 1 on the sheet
    if np.mean(np.abs(towards - 0.5) < 0.2) > BETWEEN:
        return None
    is_sheet = towards > 0.5
    on_edge = (edge - around) / (paper - around) > 0.5
    if on_edge.mean() > 1 - AROUND:
        return None
    labels = connected_parts(is_sheet)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    region = labels == int(sizes.argmax())
    top, left, bottom, right = bounding_box(region)
    box = (bottom - top) * (right - left)
    filled = _filled(region)
    area = int(filled.sum())
    if box < AREA * cells.size or area < FULL * box or sizes.max() < (1 - INK) * area:
        return None
    if not _is_straight(filled[top:bottom, left:right]):
        return None
    top, left, bottom, right = _trimmed(filled, (top, left, bottom, right))
    if min(bottom - top, right - left) < NARROWEST:
        return None
    return left / columns, top / rows, right / columns, bottom / rows


def _filled(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With what lies between two of its cells in a row and in a column."""
    before = [np.logical_or.accumulate(region, axis=axis) for axis in (0, 1)]
    after = [np.flip(np.logical_or.accumulate(np.flip(region, axis), axis=axis), axis) for axis in (0, 1)]
    filled: NDArray[np.bool_] = before[0] & after[0] & before[1] & after[1]
    return filled


def _is_straight(filled: NDArray[np.bool_]) -> bool:
    """Whether a region bool[rows, columns], in its box, has a straight outline along each side, but for the corners."""
    for part in (filled, filled[::-1], filled.T, filled.T[::-1]):
        depth, length = part.shape
        cut = round(CORNERS * length)
        begins = part.argmax(axis=0)[cut : length - cut]
        half = len(begins) // 2
        slope = (np.median(begins[-half:]) - np.median(begins[:half])) / max(len(begins) - half, 1)
        rest = begins - slope * np.arange(len(begins))
        if np.mean(np.abs(rest - np.median(rest)) > max(1.0, BENT * depth)) > NOTCHED:
            return False
    return True


def _trimmed(filled: NDArray[np.bool_], box: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The box, each side moved inwards until it lies on the sheet, and by a cell more."""
    top, left, bottom, right = box
    while bottom - top > 2 and right - left > 2:
        part = filled[top:bottom, left:right]
        sides = [float(part[0].mean()), float(part[:, 0].mean()), float(part[-1].mean()), float(part[:, -1].mean())]
        worst = int(np.argmin(sides))
        if sides[worst] >= TRIMMED:
            break
        top, left, bottom, right = (
            top + (worst == 0),
            left + (worst == 1),
            bottom - (worst == 2),
            right - (worst == 3),
        )
    return top + 1, left + 1, bottom - 1, right - 1
