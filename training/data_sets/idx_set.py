"""Any labelled IDX files as a data set."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data_sets.errors import DataFileError, DataUnavailableError
from training.data_sets.idx_files import is_idx, read_idx
from training.data_sets.labelled_images import DataSet
from training.data_sets.own_set import own_set
from training.data_sets.picture_form import each, form_of_pixels
from training.progress import progress

IDX = "idx"
Say = Callable[[str], None]


def load_idx(folder: Path, as_is: bool, say: Say) -> DataSet:
    """Labelled IDX files: a file of images and one of labels, or two of each, to train and to test.

    They are told apart by what is in them; which labels are whose, and what is the test, by their names. Images of
    another size than 28x28 are brought to it, see `form_of_pixels`.

    Raises:
        DataUnavailableError: There is no such folder, or no IDX files are in it.
        DataFileError: They are damaged, do not go together, or have more than ten classes.
    """
    pairs = find_idx_pairs(folder)
    read = {path: _read_pair(path, labels, as_is) for path, labels in pairs.items()}
    if len(pairs) == 1:
        [(images, labels)] = read.values()
        return own_set(IDX, images, labels)
    train, test = sorted(pairs, key=_is_test)
    if _is_test(train) or not _is_test(test):
        raise DataFileError(
            f"{folder} holds two sets, and which is the test is not told by {train.name} and {test.name}"
        )
    say(f"{train.name} to train on, {test.name} for the test")
    return own_set(IDX, *read[train], read[test])


def find_idx_pairs(folder: Path) -> dict[Path, Path]:
    """The files of images, and those of their labels."""
    if not folder.is_dir():
        raise DataUnavailableError(f"there is no folder {folder}")
    places = [folder, folder / "raw"]
    files = [path for place in places if place.is_dir() for path in sorted(place.iterdir()) if path.is_file()]
    dimensions = {path: count for path in files if (count := is_idx(path))}
    images = [path for path, count in dimensions.items() if count == 3]
    labels = {_pair_name(path): path for path, count in dimensions.items() if count == 1}
    if len(images) == len(labels) == 1:
        return dict(zip(images, labels.values(), strict=True))
    pairs = {path: labels[name] for path in images if (name := _pair_name(path)) in labels}
    if not images:
        raise DataUnavailableError(
            f"{folder} holds no IDX file of images (of three dimensions, such as *-images-idx3-ubyte)"
        )
    if missing := [path.name for path in images if path not in pairs]:
        raise DataFileError(f"{folder} holds no IDX file of labels for {', '.join(missing)}")
    if len(pairs) > 2:
        names = ", ".join(path.name for path in pairs)
        raise DataFileError(
            f"{folder} holds several data sets ({names}): put the one that you mean into a folder of its own"
        )
    return pairs


def _pair_name(path: Path) -> str:
    """What a file of images and its labels have in common."""
    return re.sub(r"images?|labels?|idx\d|u?byte|int|\W|_|gz$", "", path.name.lower())


def _is_test(path: Path) -> bool:
    name = path.name.lower()
    return "test" in name or "t10k" in name


def _read_pair(images: Path, labels: Path, as_is: bool) -> tuple[NDArray[np.uint8], list[str]]:
    pixels, numbers = read_idx(images), read_idx(labels)
    if len(pixels) != len(numbers):
        raise DataFileError(f"{images.name} has {len(pixels):,} images, {labels.name} has {len(numbers):,} labels")
    if pixels.dtype.itemsize != 1 or not np.issubdtype(numbers.dtype, np.integer):
        raise DataFileError(f"{images.name} and {labels.name} must hold bytes and whole numbers")
    rows = list(pixels.astype(np.uint8))
    with progress(len(rows), f"preparing {images.name}", "images") as bar:
        found = []
        for result in each(partial(form_of_pixels, as_is=as_is), rows):
            found.append(result)
            bar.update()
    kept = [place for place, picture in enumerate(found) if not isinstance(picture, str)]
    if not kept:
        raise DataFileError(f"{images.name} holds no image in which anything is found")
    return np.stack([found[place] for place in kept]), [str(numbers[place]) for place in kept]
