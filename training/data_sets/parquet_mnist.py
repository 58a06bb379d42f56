"""MNIST as the Hugging Face Hub has it, `ylecun/mnist`: Parquet files with a PNG file a row."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitforge.pictures.errors import PictureError
from digitforge.pictures.images import open_file
from digitforge.pictures.picture import upright_grey
from training.data_sets.errors import DataFileError, DataUnavailableError
from training.data_sets.idx_files import IdxFile

FOLDERS = ("", "mnist", "data")  # `hf download` leaves mnist/train-00000-of-00001.parquet
PARTS = ("train", "test")


def find_parquet(data_dir: Path) -> list[list[Path]] | None:
    """The files of the training part and of the test part, in the first folder that has both."""
    for folder in FOLDERS:
        found = [sorted((data_dir / folder).glob(f"{part}*.parquet")) for part in PARTS]
        if all(found):
            return found
    return None


def read_parquet(
    paths: Sequence[Path], files: Sequence[IdxFile], say: Callable[[str], None]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A part of MNIST: images uint8[count, 28, 28] and labels int64[count].

    Args:
        paths: The part's files, in their order.
        files: What the part's images and labels are as IDX files: the pixels and labels must be the same.
        say: Told that it takes a while.

    Raises:
        DataUnavailableError: pyarrow is not installed.
        DataFileError: It is not MNIST.
    """
    if find_spec("pyarrow") is None:
        raise DataUnavailableError(
            f"{paths[0]} is a Parquet file, and pyarrow is not installed to read it: pip install 'digitforge[parquet]'"
        )
    say(f"reading MNIST from {', '.join(map(str, paths))}")
    rows = list(chain.from_iterable(map(_rows, paths)))
    try:
        images = np.stack([np.asarray(upright_grey(open_file(png))) for png, _ in rows])
        labels = np.array([label for _, label in rows], np.uint8)
    except (PictureError, OSError, SyntaxError, TypeError, ValueError, OverflowError) as error:
        raise DataFileError(f"{paths[0]} does not hold MNIST's images: {error}") from error
    for file, values in zip(files, (images, labels), strict=True):
        file.check_md5(file.header + values.tobytes(), paths[0])
    return images, labels.astype(np.int64)


def _rows(path: Path) -> list[tuple[Any, Any]]:
    """The bytes of each picture, and its label."""
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path, columns=["image", "label"])
        images, labels = (table.column(name).to_pylist() for name in ("image", "label"))
        return [(image["bytes"], label) for image, label in zip(images, labels, strict=True)]
    except (pyarrow.ArrowException, KeyError, TypeError) as error:
        raise DataFileError(f"{path} does not hold MNIST: {error}") from error
