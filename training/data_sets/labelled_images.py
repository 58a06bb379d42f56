"""Labelled images, a data set of three parts of them, and how the parts are drawn."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.config import CLASSES, DIGITS
from training.data_sets.errors import DataFileError

SPLIT_SEED = 20_241_105  # of the permutation that splits a training set; changing it would leak held-out images
TEST_SHARE, HELD_OUT_SHARE = 0.1, 0.1  # of a data set that comes in one piece
HELD_OUT_OF_TRAINING = 12  # of a training set, one in so many: of MNIST's 60,000 they are 5,000
LEAST = 10  # images that a part needs to be measured on: precision and recall look at the fifth neighbour
LEAST_OF_A_CLASS = 2  # images to fit: one alone has no spread


@dataclass(frozen=True)
class LabelledImages:
    """images: uint8[count, 28, 28], white ink on black; labels: int64[count]."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor | slice) -> "LabelledImages":
        return LabelledImages(self.images[index], self.labels[index])


@dataclass(frozen=True)
class DataSet:
    """A data set by name, in its three parts.

    Attributes:
        name: One of `training.data.NAMES`, but for `auto`.
        fit, held_out, test: To fit, to select and calibrate on, and to report on.
        shows_digits: Class `i` is the handwritten digit `i`, for each of the ten.
        class_names: By class, from 0; empty where there are no classes, all labels are 0 then.
    """

    name: str
    fit: LabelledImages
    held_out: LabelledImages
    test: LabelledImages
    shows_digits: bool
    class_names: tuple[str, ...] = DIGITS

    def fingerprint(self) -> str:
        """SHA-256 of all images and labels: equal for equal data sets."""
        digest = hashlib.sha256()
        for part in (self.fit, self.held_out, self.test):
            digest.update(part.images.numpy().tobytes())
            digest.update(part.labels.numpy().tobytes())
        return digest.hexdigest()


def split(images: LabelledImages, held_out: int) -> tuple[LabelledImages, LabelledImages]:
    """The rest and `held_out` images, drawn once and for all."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    return images[order[held_out:]], images[order[:held_out]]


def split_by_content(
    images: LabelledImages, test: LabelledImages | None = None
) -> tuple[LabelledImages, LabelledImages, LabelledImages]:
    """To fit, held out, and for the test, each image by a hash of its pixels.

    An image is in the same part whatever others there are, and so are its copies; more images move none, but where a
    part would have fewer than `LEAST`. Each part is in the order of the hashes, which mixes the classes.

    Args:
        images: All there are, or with `test` those to train on.
        test: A test set that the data set brings.

    Raises:
        DataFileError: There are too few.
    """
    pixels = images.images.numpy()
    hashes = np.array(
        [int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=8).digest()) for image in pixels], np.uint64
    )
    order = torch.from_numpy(np.argsort(hashes, kind="stable"))
    ordered, places = images[order], np.sort(hashes) / 2.0**64

    def upto(share: float) -> int:
        return int(np.searchsorted(places, share))

    if test is None:
        end = max(LEAST, upto(TEST_SHARE))
        start, held_out = end, max(LEAST, upto(TEST_SHARE + HELD_OUT_SHARE) - end)
        test = ordered[:end]
    else:
        start, held_out = 0, max(LEAST, upto(1 / HELD_OUT_OF_TRAINING))
    fit = ordered[start + held_out :]
    if min(len(fit), len(test)) < LEAST:
        raise DataFileError(f"{len(images)} pictures are too few: at least {3 * LEAST} are needed, and 200 for a start")
    return fit, ordered[start : start + held_out], test


def numbered(labels: Sequence[str]) -> tuple[tuple[str, ...], Tensor]:
    """The names of the classes, sorted, and the labels int64[count] as numbers of these.

    Numbers are sorted as numbers.

    Raises:
        DataFileError: There are more than ten.
    """
    names = sorted(set(labels), key=lambda name: (int(name), name) if name.isdecimal() else (10**9, name))
    if len(names) > CLASSES:
        raise DataFileError(f"{len(names)} classes ({', '.join(names[:12])} …): there can be at most {CLASSES}")
    number = {name: place for place, name in enumerate(names)}
    return tuple(names), torch.tensor([number[label] for label in labels])


def check_classes(fit: LabelledImages, class_names: Sequence[str]) -> None:
    """Raises DataFileError where a class has too few images to fit."""
    counts = torch.bincount(fit.labels, minlength=len(class_names)).tolist()
    if few := [name for name, count in zip(class_names, counts, strict=True) if count < LEAST_OF_A_CLASS]:
        raise DataFileError(
            f"too few images of the class {', '.join(few)}: each needs {LEAST_OF_A_CLASS} to fit, and one in five is "
            "held out or kept for the test"
        )
