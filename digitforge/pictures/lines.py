"""Printed lines that span a sheet, ruled or squared, taken off; what they cross is left.

A line is thin, straight, nearly upright or level, and goes on to both edges, which a digit's strokes do not. So the
picture is cut into strips across the line, each strip's levels are averaged along it, and a line is what stands out in
most strips, the first and the last among them, at places on one straight line. What it covered is filled in from both
its sides, but for what is darker than the line is: that is ink.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRIPS = 20
LEAST_STRIPS = 4  # of a line aslant that leaves the picture
MOST_SHARE = 0.65  # of the strips: in so many a line stands out, and ink may hide it in the others ...
FURTHER_SHARE = 0.4  # ... and more of it, of one that is parallel to such a line
APART = (3, 8)  # pixels: a line is thinner, and lies between paper so far above and below
STEEPEST = 0.08  # pixels down for each to the side: a page is held a few degrees aslant
FAINTEST = 2.0  # levels, in a strip's mean
NOISE = 5.0  # deviations from which a line stands out in a strip
SHARE = 0.35  # of its strongest level: where a line ends, across it
MANY = 3  # lines are a sheet's ...
FEW = 2  # ... so are two, where nothing touches both the other edges; one might be a one
DARKER = 1.6  # times as dark as the line: ink
SMALLEST = 48  # pixels a side: too small to tell lines from strokes


@dataclass(frozen=True)
class _Lines:
    """Level lines of one sheet.

    Attributes:
        rows: Where they begin, at the left edge.
        halves: Pixels above and below each one's middle that it covers.
        slope: Pixels down for each to the right.
        light: Whether they are lighter than the paper.
    """

    rows: tuple[int, ...]
    halves: tuple[int, ...]
    slope: float
    light: bool


def without_lines(grey: NDArray[np.float32], are_known: bool = False) -> NDArray[np.float32]:
    """Take off the lines that span a picture.

    Args:
        grey: float32[height, width], 0 to 255.
        are_known: It is a part of a picture that had such lines, so that one alone is none of a digit's strokes.

    Returns:
        float32[height, width]; `grey` itself where there are none.
    """
    if min(grey.shape) < SMALLEST:
        return grey
    level, upright = _find(grey), _find(grey.T)
    count = sum(len(lines.rows) for lines in (level, upright) if lines is not None)
    if not count:
        return grey
    if not are_known and (count < FEW or (count < MANY and _is_touched(grey if level is None else grey.T))):
        return grey
    if level is not None:
        grey = _filled(grey, level)
    if upright is not None:
        grey = _filled(grey.T, upright).T
    return grey


def _strips(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean along each strip float32[STRIPS, height], from left to right."""
    height, width = grey.shape
    each = width // STRIPS
    first = (width - each * STRIPS) // 2
    return grey[:, first : first + each * STRIPS].reshape(height, STRIPS, each).mean(axis=2).T


def _standing_out(levels: NDArray[np.float32], sign: int) -> NDArray[np.float32]:
    """How much darker (sign -1) or lighter (1) each place is than both those above and below: float32 as `levels`."""
    levels = levels * sign
    size = levels.shape[-1]
    outs = []
    for apart in APART:
        padded = np.pad(levels, ((0, 0), (apart, apart)), constant_values=-255 * 2)
        outs.append(levels - np.maximum(padded[:, :size], padded[:, 2 * apart :]))
    out: NDArray[np.float32] = np.maximum(outs[0], outs[1])
    return out


def _needed(out: NDArray[np.float32]) -> float:
    """The level from which a place stands out of the noise."""
    middle = float(np.median(out))
    return max(FAINTEST, middle + NOISE * 1.4826 * float(np.median(np.abs(out - middle))))


def _find(grey: NDArray[np.float32]) -> _Lines | None:
    """Level lines that go from the left edge to the right."""
    strips = _strips(grey)
    best: tuple[float, _Lines] | None = None
    for sign in (-1, 1):
        ends = _standing_out(strips[[0, -1]], sign)
        if ends.max(axis=1).min() < _needed(ends):  # as in most pictures
            continue
        out = _standing_out(strips, sign)
        total, lines = _straight(out, _needed(out), grey.shape[1], sign > 0)
        if lines is not None and (best is None or total > best[0]):
            best = total, lines
    return None if best is None else best[1]


def _straight(out: NDArray[np.float32], needed: float, width: int, light: bool) -> tuple[float, _Lines | None]:
    """The lines of the slope on which most stands out, and how much that is."""
    count, height = out.shape
    padded = np.pad(out, ((0, 0), (1, 1)))
    near = np.maximum(np.maximum(padded[:, :-2], padded[:, 2:]), out)  # paper is not quite flat
    centres = (np.arange(count) + 0.5) / count * width
    steps = round(STEEPEST * width / 2)
    slopes = np.arange(-steps, steps + 1) * (2 / width)
    beyond = 2 * steps  # a line aslant may begin above the left edge, or below it
    starts = np.arange(-beyond, height + beyond)
    rows = starts + np.round(slopes[:, np.newaxis] * centres)[..., np.newaxis].astype(np.intp)  # slopes, strips, starts
    inside = (rows >= 0) & (rows < height)
    rows = rows.clip(0, height - 1)
    strips = np.arange(count)[:, np.newaxis]
    stands = inside & (near[strips, rows] >= needed)
    shares = stands.sum(axis=1) / np.maximum(inside.sum(axis=1), LEAST_STRIPS)
    exact = np.where(inside, out[strips, rows], 0).mean(axis=1).clip(0, None)
    spans = stands[:, 0] & stands[:, -1]
    totals = np.where(spans & (shares >= MOST_SHARE), exact, 0).sum(axis=1)
    place = int(totals.argmax())
    if totals[place] <= 0:
        return 0.0, None
    found, halves = [], []
    is_cut = ~(inside[place, 0] & inside[place, -1])
    wanted = np.where(is_cut, MOST_SHARE, np.where(spans[place], FURTHER_SHARE, 2))
    strength = exact[place]
    left = np.where(shares[place] >= wanted, strength, 0)
    while left.max() > 0:
        row = int(left.argmax())
        top = bottom = row
        while top > 0 and strength[top - 1] > SHARE * strength[row]:
            top -= 1
        while bottom < starts.size - 1 and strength[bottom + 1] > SHARE * strength[row]:
            bottom += 1
        found.append(int(starts[(top + bottom) // 2]))
        halves.append((bottom - top + 1) // 2 + 1)
        left[max(0, top - 1) : bottom + 2] = 0
    return float(totals[place]), _Lines(tuple(found), tuple(halves), float(slopes[place]), light)


def _is_touched(grey: NDArray[np.float32]) -> bool:
    """Whether something comes in from the left edge and the right, as a digit's strokes do that fills its picture."""
    ends = _strips(grey)[[0, -1]]
    return any(bool((out := _standing_out(ends, sign)).max(axis=1).min() >= _needed(out)) for sign in (-1, 1))


def _filled(grey: NDArray[np.float32], lines: _Lines) -> NDArray[np.float32]:
    """With what lies above and below each line in its place, but for what is darker than it."""
    height, width = grey.shape
    filled = grey.copy()
    sign = 1 if lines.light else -1
    for row, half in zip(lines.rows, lines.halves, strict=True):
        middle = row + np.round(lines.slope * np.arange(width)).astype(np.intp)
        columns = np.flatnonzero((middle >= -half) & (middle < height + half))
        middle = middle[columns]
        beyond = half + 1
        above = grey[(middle - beyond).clip(0, height - 1), columns]
        below = grey[(middle + beyond).clip(0, height - 1), columns]
        above = np.where(middle - beyond < 0, below, above)
        below = np.where(middle + beyond >= height, above, below)
        core = [
            np.median(sign * (grey[(middle + offset).clip(0, height - 1), columns] - (above + below) / 2))
            for offset in range(-half, half + 1)
        ]
        level = DARKER * max(float(max(core)), 0.0) + FAINTEST
        for offset in range(-half, half + 1):
            places = middle + offset
            inside = (places >= 0) & (places < height)
            at, here = places[inside], columns[inside]
            share = (offset + beyond) / (2 * beyond)
            paper = (above + (below - above) * share)[inside]
            is_ink = sign * (grey[at, here] - paper) > level
            filled[at, here] = np.where(is_ink, grey[at, here], paper)
    return filled
