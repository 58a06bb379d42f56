"""A folder of pictures as a data set, with a subfolder per class: torchvision's `ImageFolder` convention."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data_sets.errors import DataFileError, DataUnavailableError
from training.data_sets.labelled_images import DataSet
from training.data_sets.own_set import own_set
from training.data_sets.picture_cache import PictureCache
from training.data_sets.picture_form import each, form_of_file
from training.progress import progress

FOLDER = "folder"
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}
NO_PICTURES = {"__macosx", "thumbs.db", "desktop.ini"}  # what systems leave in folders, beside hidden files
NAMED = 5  # files that are told by name
Say = Callable[[str], None]


def load_folder(folder: Path, as_is: bool, say: Say) -> DataSet:
    """A folder of pictures, with a subfolder per class; or without subfolders, and then without classes.

    Files that are no pictures are told and left out.

    Args:
        folder: Where they lie; it is only read.
        as_is: See `form_of_file`.
        say: Told what was left out.

    Raises:
        DataUnavailableError: There is no such folder.
        DataFileError: There are too few pictures, or more than ten classes, or a class has none.
    """
    paths, labels = find_pictures(folder, say)
    pictures = _pictures_of(folder, paths, as_is, say)
    kept = [place for place, picture in enumerate(pictures) if not isinstance(picture, str)]
    _tell_left_out(folder, {path: why for path, why in zip(paths, pictures, strict=True) if isinstance(why, str)}, say)
    if not kept:
        raise DataFileError(f"{folder} holds no picture")
    labels_kept = [labels[place] for place in kept] if labels else []
    if empty := sorted(set(labels) - set(labels_kept)):
        raise DataFileError(
            f"{folder} has no picture of the class {', '.join(empty)}: fill the subfolder, or remove it"
        )
    images = np.stack([picture for picture in pictures if not isinstance(picture, str)])
    return own_set(FOLDER, images, labels_kept)


def find_pictures(folder: Path, say: Say) -> tuple[list[Path], list[str]]:
    """All files of the classes, and the class of each; of a folder without subfolders its files, and no classes.

    Raises:
        DataUnavailableError: There is no such folder.
        DataFileError: It holds nothing, or the parts of a data set.
    """
    if not folder.is_dir():
        raise DataUnavailableError(f"there is no folder {folder}")
    entries = sorted(entry for entry in folder.iterdir() if _may_be_picture(entry.name))
    classes, files = [entry for entry in entries if entry.is_dir()], [entry for entry in entries if entry.is_file()]
    if not classes:
        return files, []
    if {entry.name.lower() for entry in classes} <= PARTS:
        parts = " and ".join(entry.name for entry in classes)
        raise DataFileError(
            f"{folder} holds {parts}, which are parts of a data set and no classes: name one of them with "
            "--data-dir; its pictures are split by their content"
        )
    if files:
        say(f"{len(files)} files beside the subfolders of {folder} belong to no class, and are left out")
    found = [(path, entry.name) for entry in classes for path in _files_below(entry)]
    if empty := [entry.name for entry in classes if not any(label == entry.name for _, label in found)]:
        raise DataFileError(
            f"{folder} has no picture of the class {', '.join(empty)}: fill the subfolder, or remove it"
        )
    return [path for path, _ in found], [label for _, label in found]


def _files_below(folder: Path) -> Iterator[Path]:
    seen = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        if (place := os.path.realpath(path)) in seen:
            folders.clear()  # a link that leads back
            continue
        seen.add(place)
        folders[:] = sorted(filter(_may_be_picture, folders))
        yield from (Path(path) / name for name in sorted(files) if _may_be_picture(name))


def _may_be_picture(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in NO_PICTURES


def _pictures_of(folder: Path, paths: Sequence[Path], as_is: bool, say: Say) -> list[NDArray[np.uint8] | str]:
    """Each as uint8[28, 28], or why it is none: from the cache where its content is known, else worked out and kept."""
    digests = []
    with progress(len(paths), "reading pictures", "files") as bar:
        for path in paths:
            digests.append(_digest(path))
            bar.update()
    cache = PictureCache(folder, as_is)
    new = [place for place, digest in enumerate(digests) if digest not in cache]
    reasons: dict[int, str] = {}
    try:
        with progress(len(new), "preparing pictures", "files") as bar:
            results = each(partial(form_of_file, as_is=as_is), [paths[place] for place in new])
            for place, result in zip(new, results, strict=True):
                if isinstance(result, str):
                    reasons[place] = result
                else:
                    cache[digests[place]] = result
                bar.update()
    finally:  # also of what Ctrl-C left half done
        if why := cache.save(set(digests)):
            say(f"the pictures at 28x28 are not kept for the next time: {why}")
    return [reasons[place] if place in reasons else cache[digest] for place, digest in enumerate(digests)]


def _digest(path: Path) -> bytes:
    with suppress(OSError):  # it is told as one that cannot be read
        return hashlib.sha256(path.read_bytes()).digest()
    return b""


def _tell_left_out(folder: Path, reasons: dict[Path, str], say: Say) -> None:
    if not reasons:
        return
    named = "; ".join(f"{path.relative_to(folder)}: {why}" for path, why in list(reasons.items())[:NAMED])
    more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    count = "1 file is no picture and is" if len(reasons) == 1 else f"{len(reasons):,} files are no pictures and are"
    say(f"{count} left out: {named}{more}")
