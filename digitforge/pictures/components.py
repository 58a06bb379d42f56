"""Which ink of a picture is the digit's: connected parts, without specks and without what comes in from the edge."""

import numpy as np
from numpy.typing import NDArray

from digitforge.pictures.decoded import Found

CELLS = 96  # the parts are told apart on a grid of at most so many cells a side, which also closes small gaps
STROKE = 0.75  # of a cell's side: so many of its pixels are a stroke that passes; fewer may be noise
SHARE = 0.05  # of the largest part's ink: less is a speck
BESIDE = 0.25  # of the largest part's ink: if so much lies within the picture, what touches its edge is not the digit
ALONG = 0.08  # of the picture's side lies along its edge ...
HUGS = 0.6  # ... and so much of a frame's or a shadow's ink there
COMPARABLE = 0.2  # of the largest part's ink: a thing of its own may have so little
MANY = 4  # others of such size are no pieces of one digit
SIMILAR = 0.6  # of the height: digits beside each other are of a height ...
ALIKE = 0.85  # ... or nearly the same
WIDE = 1.15  # times their height: two digits together are wider, and a broken one is not
BROAD = 0.35  # of the height: both halves of a broken digit are hardly so broad
APART = 0.15  # of the height: the gap between two digits is wider, and that of a broken one is not
REACH = 0.5  # of the digit's longer side: a part farther away is not the digit's


def find_digit(ink: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.bool_], Found]:
    """The region of the digit, and whether there are more of its size.

    A part that lies along the picture's edge is a shadow or a frame, if there is ink of any size elsewhere.

    Args:
        ink: float32[height, width], 0 to 1.
        threshold: From which ink counts.

    Returns:
        bool[height, width]: True on the digit and close around it; nowhere, where there is no ink. And what was found.
    """
    height, width = ink.shape
    step = -(-max(height, width) // CELLS)
    rows, columns = -(-height // step), -(-width // step)
    padded = np.pad(ink, ((0, rows * step - height), (0, columns * step - width)))
    cells = padded.reshape(rows, step, columns, step)
    marked = cells > threshold
    labels = connected_parts(marked.sum(axis=(1, 3)) >= np.ceil(step * STROKE))
    if not labels.max():
        return np.zeros(ink.shape, np.bool_), Found.NOTHING
    inked = np.where(marked, cells, 0).sum(axis=(1, 3))
    mass = _without_frames(labels, inked)
    parts = [int(part) for part in np.argsort(-mass) if mass[part] > 0 and mass[part] >= SHARE * mass.max()]
    boxes = {part: bounding_box(labels == part) for part in parts}
    kept = _reached(parts, boxes)
    near = _grown(np.isin(labels, kept))
    mask = np.repeat(np.repeat(near, step, axis=0), step, axis=1)[:height, :width]
    return mask, Found.SEVERAL if _are_several(_things(mass[labels] > 0, inked)) else Found.ONE


def _things(there: NDArray[np.bool_], inked: NDArray[np.float64]) -> list[tuple[int, ...]]:
    """The boxes of what is apart by more than two cells, so that no thin line is several; the one of most ink first."""
    labels = np.where(there, connected_parts(_grown(there)), 0)
    mass = np.bincount(labels.ravel(), np.where(there, inked, 0).ravel())
    things = [int(thing) for thing in np.argsort(-mass) if mass[thing] > COMPARABLE * mass.max()]
    return [bounding_box(labels == thing) for thing in things]


def _without_frames(labels: NDArray[np.intp], inked: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ink of each part, 0 for those that lie along the picture's edge, if others do not."""
    mass = np.bincount(labels.ravel(), inked.ravel()).astype(np.float64)
    mass[0] = 0
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inside = mass.copy()
    inside[edge] = 0
    if inside.max() >= BESIDE * mass.max():
        return inside
    rows, columns = (max(1, round(ALONG * side)) for side in labels.shape)
    middle = np.bincount(
        labels[rows:-rows, columns:-columns].ravel(), inked[rows:-rows, columns:-columns].ravel(), minlength=len(mass)
    )
    frames = [part for part in edge if middle[part] < (1 - HUGS) * mass[part]]
    if inside.max() >= SHARE * mass.max():
        mass[frames] = 0
    return mass


def _are_several(things: list[tuple[int, ...]]) -> bool:
    """Whether one beside the first is a thing of its own, and not a digit's loose bar or a half of a broken one."""
    largest, *others = things
    if len(others) >= MANY:
        return True
    height, width = largest[2] - largest[0], largest[3] - largest[1]
    for other in others:
        their_height, their_width = other[2] - other[0], other[3] - other[1]
        down = max(largest[0] - other[2], other[0] - largest[2])
        right = max(largest[1] - other[3], other[1] - largest[3])
        tall = max(height, their_height)
        if min(height, their_height) < SIMILAR * tall:
            continue
        both = max(largest[3], other[3]) - min(largest[1], other[1])
        is_wide = both > WIDE * (max(largest[2], other[2]) - min(largest[0], other[0]))
        is_alike = min(height, their_height) > ALIKE * tall
        are_apart = right >= APART * tall or min(width, their_width) >= BROAD * tall
        if right >= 0 and (is_wide or (is_alike and are_apart)):
            return True
        if down >= 2 * APART * tall and max(width, their_width) < 2 * max(tall, 1):
            return True
    return False


def connected_parts(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Labels intp[rows, columns] of the 8-connected parts of bool[rows, columns], from 1; 0 is none.

    Runs of a row are joined with those that they touch in the row above (Rosenfeld and Pfaltz 1966).
    """
    labels = np.zeros(mask.shape, np.intp)
    parents = [0]

    def root(label: int) -> int:
        while parents[label] != label:
            parents[label] = parents[parents[label]]
            label = parents[label]
        return label

    changes = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    above: list[tuple[int, int, int]] = []
    for row, change in enumerate(changes):
        runs = []
        starts, ends = np.flatnonzero(change == 1).tolist(), np.flatnonzero(change == -1).tolist()
        for start, end in zip(starts, ends, strict=True):
            touching = {root(label) for first, last, label in above if first <= end and last >= start}
            label = min(touching, default=len(parents))
            if not touching:
                parents.append(label)
            for other in touching:
                parents[other] = label
            labels[row, start:end] = label
            runs.append((start, end, label))
        above = runs
    return np.array([root(label) for label in range(len(parents))])[labels]


def _reached(parts: list[int], boxes: dict[int, tuple[int, ...]]) -> list[int]:
    """The first part and those that are near, or near to one that is."""
    rest = list(parts)
    kept = [rest.pop(0)]
    box = boxes[kept[0]]
    while True:
        reach = REACH * max(box[2] - box[0], box[3] - box[1]) + 1
        near = [part for part in rest if _gap(box, boxes[part]) <= reach]
        if not near:
            return kept
        for part in near:
            rest.remove(part)
            kept.append(part)
            box = (*np.minimum(box[:2], boxes[part][:2]), *np.maximum(box[2:], boxes[part][2:]))


def bounding_box(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """The first and one past the last row and column of a mask that is true somewhere: top, left, bottom, right."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _gap(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    down = max(one[0] - other[2], other[0] - one[2], 0)
    right = max(one[1] - other[3], other[1] - one[3], 0)
    return max(down, right)


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """By a cell in every direction."""
    padded = np.pad(mask, 1)
    wide = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
    return wide[:-2] | wide[1:-1] | wide[2:]
