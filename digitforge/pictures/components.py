"""Which ink of a picture is the digit's: connected parts, without specks and without what comes in from the edge."""

import numpy as np
from numpy.typing import NDArray

CELLS = 96  # the parts are told apart on a grid of at most so many cells a side, which also closes small gaps
STROKE = 0.75  # of a cell's side: so many of its pixels are a stroke that passes; fewer may be noise
SHARE = 0.05  # of the largest part's ink: less is a speck
REACH = 0.5  # of the digit's longer side: a part farther away is not the digit's


def digit_mask(ink: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """The region of the digit.

    A part that touches the picture's edge is a shadow or a frame, if there is ink of any size that does not.

    Args:
        ink: float32[height, width], 0 to 1.
        threshold: From which ink counts.

    Returns:
        bool[height, width]: True on the digit and close around it; nowhere, where there is no ink.
    """
    height, width = ink.shape
    step = -(-max(height, width) // CELLS)
    rows, columns = -(-height // step), -(-width // step)
    padded = np.pad(ink, ((0, rows * step - height), (0, columns * step - width)))
    cells = padded.reshape(rows, step, columns, step)
    marked = cells > threshold
    labels = connected_parts(marked.sum(axis=(1, 3)) >= np.ceil(step * STROKE))
    if not labels.max():
        return np.zeros(ink.shape, np.bool_)
    mass = np.bincount(labels.ravel(), np.where(marked, cells, 0).sum(axis=(1, 3)).ravel()).astype(np.float64)
    mass[0] = 0

    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inside = mass.copy()
    inside[edge] = 0
    if inside.max() >= SHARE * mass.max():
        mass = inside
    kept = _reached(labels, mass)
    near = _grown(np.isin(labels, kept))
    return np.repeat(np.repeat(near, step, axis=0), step, axis=1)[:height, :width]


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


def _reached(labels: NDArray[np.intp], mass: NDArray[np.float64]) -> list[int]:
    """The largest part and those that are no specks and near, or near to one that is."""
    rest = [int(part) for part in np.argsort(-mass) if mass[part] > 0 and mass[part] >= SHARE * mass.max()]
    boxes = {part: bounding_box(labels == part) for part in rest}
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
