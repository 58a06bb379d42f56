"""A data set of one's own images, whatever they show: its classes, its parts, and whether it shows digits."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.classifier import features_and_digits, shipped_classifier
from training.config import DIGITS
from training.data_sets.labelled_images import DataSet, LabelledImages, check_classes, numbered, split_by_content

LOOKED_AT = 1000  # images to see whether they are digits


def own_set(
    name: str,
    images: NDArray[np.uint8],
    labels: Sequence[str],
    test: tuple[NDArray[np.uint8], Sequence[str]] | None = None,
) -> DataSet:
    """A data set of images uint8[count, 28, 28] and the names of their classes; no labels: no classes.

    Raises:
        DataFileError: There are too few images, or more than ten classes.
    """
    held_labels = test[1] if test is not None else []
    class_names, numbers = numbered([*labels, *held_labels])

    def labelled(images: NDArray[np.uint8], part: slice) -> LabelledImages:
        own = numbers[part] if class_names else torch.zeros(len(images), dtype=torch.int64)
        return LabelledImages(torch.from_numpy(np.ascontiguousarray(images)), own)

    everything = labelled(images, slice(len(labels)))
    tested = labelled(test[0], slice(len(labels), None)) if test is not None else None
    parts = split_by_content(everything, tested)
    if class_names:
        check_classes(parts[0], class_names)
    return DataSet(name, *parts, shows_digits=_shows_digits(class_names, parts[0]), class_names=class_names)


def _shows_digits(class_names: Sequence[str], images: LabelledImages) -> bool:
    """Whether classes that have the names of the digits are digits: the classifier reads most of them so."""
    if tuple(class_names) != DIGITS:
        return False
    some = images[:LOOKED_AT]
    _, digits = features_and_digits(shipped_classifier(), some.images)
    return float((digits == some.labels).double().mean()) > 0.5
