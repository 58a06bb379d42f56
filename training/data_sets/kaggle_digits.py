"""The training file of Kaggle's competition "Digit Recognizer": 42,000 digits of MNIST, one a line.

They are drawn from MNIST's training and test set alike, so they are a data set of their own, with a split of its own,
and figures on its test part do not compare with those on MNIST's.
"""

import io
from pathlib import Path

import numpy as np
import torch

from training.config import CLASSES, DIGITS
from training.data_sets.errors import DataFileError, DataUnavailableError
from training.data_sets.idx_files import read_bytes
from training.data_sets.labelled_images import DataSet, LabelledImages, split_by_content

KAGGLE_DIGITS = "kaggle-digits"
PLACES = ("train.csv", "train.csv.gz", "digit-recognizer/train.csv")
HEADER = ",".join(("label", *(f"pixel{number}" for number in range(784))))


def load_kaggle_digits(data_dir: Path) -> DataSet:
    """`train.csv` from a folder.

    Raises:
        DataUnavailableError: It is not there.
        DataFileError: It is another file, or damaged.
    """
    path = next((path for place in PLACES if (path := data_dir / place).is_file()), None)
    if path is None:
        raise DataUnavailableError(
            f"{KAGGLE_DIGITS} is not in {data_dir}: looked for {', '.join(PLACES)}; get it from "
            "https://www.kaggle.com/competitions/digit-recognizer/data"
        )
    content = read_bytes(path)
    header = content[: content.find(b"\n") + 1].strip().decode(errors="replace").replace('"', "")
    if header != HEADER:
        raise DataFileError(
            f"{path} is not Kaggle's train.csv: its first line is {header[:60]!r}, not {HEADER[:30]!r} …"
        )
    try:
        values = np.loadtxt(io.BytesIO(content), np.int16, delimiter=",", skiprows=1, ndmin=2)
    except ValueError as error:
        raise DataFileError(f"{path} is damaged: {error}") from error
    labels, pixels = values[:, 0], values[:, 1:]
    for what, found, highest in (("labels", labels, CLASSES - 1), ("pixels", pixels, 255)):
        if found.size and not 0 <= found.min() <= found.max() <= highest:
            raise DataFileError(f"{path}: expected {what} from 0 to {highest}, found {found.min()} to {found.max()}")
    images = torch.from_numpy(pixels.astype(np.uint8).reshape(-1, 28, 28))
    everything = LabelledImages(images, torch.from_numpy(labels.astype(np.int64)))
    return DataSet(KAGGLE_DIGITS, *split_by_content(everything), shows_digits=True, class_names=DIGITS)
