"""Data sets by name: found on disk, downloaded, or, for who named nothing, scikit-learn's small digits.

Everything is held in memory as uint8, and split once and for all: most of the training set to fit, a part to select
snapshots and to calibrate on, and the data set's own test set, which is only reported on.
"""

from collections.abc import Callable
from pathlib import Path

from training.data_sets.errors import DataFileError as DataFileError
from training.data_sets.errors import DataUnavailableError as DataUnavailableError
from training.data_sets.idx_set import IDX, load_idx
from training.data_sets.kaggle_digits import KAGGLE_DIGITS, load_kaggle_digits
from training.data_sets.labelled_images import DataSet as DataSet
from training.data_sets.labelled_images import LabelledImages as LabelledImages
from training.data_sets.labelled_images import split
from training.data_sets.picture_folder import FOLDER, load_folder
from training.data_sets.small_digits import load_small_digits
from training.data_sets.torchvision_sets import MNIST, SOURCES, load_torchvision_set
from training.data_sets.torchvision_sets import images_at_hand as images_at_hand

SMALL_DIGITS = "sklearn-digits"
AUTO = "auto"
NAMES = (AUTO, *SOURCES, SMALL_DIGITS, KAGGLE_DIGITS, IDX, FOLDER)
DEFAULT_FOLDER = Path("data")


def load_data_set(name: str, data_dir: Path | None, say: Callable[[str], None] = print, as_is: bool = False) -> DataSet:
    """Load a data set by name, downloading it into `data_dir` where it is not there yet.

    `auto` is MNIST. Where that is not to be had and nobody named a folder, it is scikit-learn's small digits, and `say`
    is told so; who names a folder means what should lie there.

    Args:
        name: One of `NAMES`.
        data_dir: The folder of the data sets; None where nobody named one: it is `data` then.
        say: Told of a download, and of what is left out.
        as_is: Pictures of another size than 28x28 are reduced as they are; else they are brought to MNIST's form.

    Raises:
        DataUnavailableError: It is neither in `data_dir` nor to be downloaded, or the name is unknown.
        DataFileError: A file is there, but truncated, corrupt or not what its name says.
    """
    folder = data_dir or DEFAULT_FOLDER
    if name == SMALL_DIGITS:
        return _small_digits()
    if name in SOURCES:
        return load_torchvision_set(name, folder, say)
    if name == KAGGLE_DIGITS:
        return load_kaggle_digits(folder)
    if name in (FOLDER, IDX):
        if data_dir is None:
            raise DataUnavailableError(f"--dataset {name} needs the folder of the data: give it with --data-dir")
        return (load_folder if name == FOLDER else load_idx)(data_dir, as_is, say)
    if name != AUTO:
        raise DataUnavailableError(f"data set {name!r} is unknown; known are {', '.join(NAMES)}")
    try:
        return load_torchvision_set(MNIST, folder, say)
    except DataUnavailableError as error:
        if data_dir is not None:
            raise
        say(
            f"{error}\nTraining on the 1,797 handwritten digits that scikit-learn carries instead, enlarged to 28x28. "
            "It is a small and blurred data set, so expect plain digits; for MNIST, give its folder with --data-dir "
            "or DATA_DIR."
        )
        return _small_digits()


def _small_digits() -> DataSet:
    everything = LabelledImages(*load_small_digits())
    rest, test = split(everything, held_out=300)
    fit, held_out = split(rest, held_out=200)
    return DataSet(SMALL_DIGITS, fit, held_out, test, shows_digits=True)
