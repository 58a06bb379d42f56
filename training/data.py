"""Data sets by name: found on disk, downloaded, or, for who named nothing, scikit-learn's small digits.

Everything is held in memory as uint8, and split once and for all: most of the training set to fit, a part to select
snapshots and to calibrate on, and the data set's own test set, which is only reported on.
"""

import http.client
import os
import queue
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from evaluation import torchvision_without_ops  # noqa: F401  (before torchvision)
from evaluation.classifier import SHOWING_DIGITS
from training.config import CLASSES
from training.idx_files import DataFileError, IdxFile
from training.small_digits import load_small_digits

from torchvision import datasets  # isort: skip
from torchvision.datasets.mnist import read_sn3_pascalvincent_tensor  # isort: skip

SMALL_DIGITS = "sklearn-digits"
AUTO = "auto"
DEFAULT_FOLDER = Path("data")
NAMES_SHOWN = 10  # of what lies in a folder without the data set
PATIENCE_S = 10.0  # how long `auto` waits for a mirror before it gives up
SPLIT_SEED = 20_241_105  # of the permutation that splits a training set; changing it would leak held-out images


class DataUnavailableError(Exception):
    """A data set that is neither on disk nor to be downloaded."""


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
        name: One of `NAMES`, but for `auto`.
        fit, held_out, test: To fit, to select and calibrate on, and to report on.
        shows_digits: Class `i` is the handwritten digit `i`, for each of the ten.
    """

    name: str
    fit: LabelledImages
    held_out: LabelledImages
    test: LabelledImages
    shows_digits: bool


@dataclass(frozen=True)
class _Source:
    """A data set of torchvision's.

    Attributes:
        download: Called with `root` and `train`, fetches a half of it into `root/raw`.
        raw: Its folder.
        files: Training images and labels, test images and labels.
        addresses: Any of them answers if it can be downloaded.
        test_count: How many of the test file's images are the test set; None: all.
        transposed: Its images are stored column by column.
    """

    download: Callable[..., object]
    raw: str
    files: tuple[IdxFile, ...]
    addresses: tuple[str, ...]
    test_count: int | None = None
    transposed: bool = False


def _idx_pair(prefix: str, count: int, md5s: tuple[str | None, str | None] = (None, None)) -> tuple[IdxFile, IdxFile]:
    return (
        IdxFile(f"{prefix}-images-idx3-ubyte", (count, 28, 28), md5=md5s[0]),
        IdxFile(f"{prefix}-labels-idx1-ubyte", (count,), md5=md5s[1]),
    )


def _qmnist_pair(prefix: str) -> tuple[IdxFile, IdxFile]:
    return (
        IdxFile(f"{prefix}-images-idx3-ubyte", (60_000, 28, 28)),
        IdxFile(f"{prefix}-labels-idx2-int", (60_000, 8), type_code=12),
    )


def _first_addresses(family: type[datasets.MNIST]) -> tuple[str, ...]:
    return tuple(mirror + family.resources[0][0] for mirror in family.mirrors)


SOURCES = {
    "mnist": _Source(
        partial(datasets.MNIST, download=True),
        "MNIST/raw",
        # No other file passes for one of MNIST's, a relative's of the same shape included.
        _idx_pair("train", 60_000, ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"))
        + _idx_pair("t10k", 10_000, ("2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637")),
        _first_addresses(datasets.MNIST),
    ),
    "fashion-mnist": _Source(
        partial(datasets.FashionMNIST, download=True),
        "FashionMNIST/raw",
        _idx_pair("train", 60_000) + _idx_pair("t10k", 10_000),
        _first_addresses(datasets.FashionMNIST),
    ),
    "kmnist": _Source(
        partial(datasets.KMNIST, download=True),
        "KMNIST/raw",
        _idx_pair("train", 60_000) + _idx_pair("t10k", 10_000),
        _first_addresses(datasets.KMNIST),
    ),
    "qmnist": _Source(
        lambda root, train: datasets.QMNIST(root, what="train" if train else "test", download=True),
        "QMNIST/raw",
        _qmnist_pair("qmnist-train") + _qmnist_pair("qmnist-test"),
        (datasets.QMNIST.resources["train"][0][0],),
        test_count=10_000,  # the first 10,000 are MNIST's own
    ),
    "emnist-digits": _Source(
        lambda root, train: datasets.EMNIST(root, split="digits", train=train, download=True),
        "EMNIST/raw",
        _idx_pair("emnist-digits-train", 240_000) + _idx_pair("emnist-digits-test", 40_000),
        (datasets.EMNIST.url,),
        transposed=True,
    ),
}
NAMES = (AUTO, *SOURCES, SMALL_DIGITS)


def load_data_set(name: str, data_dir: Path | None, say: Callable[[str], None] = print) -> DataSet:
    """Load a data set by name, downloading it into `data_dir` where it is not there yet.

    `auto` is MNIST. Where that is not to be had and nobody named a folder, it is scikit-learn's small digits, and `say`
    is told so; who names a folder means what should lie there.

    Args:
        name: One of `NAMES`.
        data_dir: The folder of the data sets; None where nobody named one: it is `data` then.
        say: Told of a download.

    Raises:
        DataUnavailableError: It is neither in `data_dir` nor to be downloaded, or the name is unknown.
        DataFileError: A file is there, but truncated, corrupt or not what its name says.
    """
    if name == SMALL_DIGITS:
        return _small_digits()
    if name != AUTO or data_dir is not None:
        return _from_torchvision("mnist" if name == AUTO else name, data_dir or DEFAULT_FOLDER, say)
    try:
        return _from_torchvision("mnist", DEFAULT_FOLDER, say)
    except DataUnavailableError as error:
        say(
            f"{error}\nTraining on the 1,797 handwritten digits that scikit-learn carries instead, enlarged to 28x28. "
            "It is a small and blurred data set, so expect plain digits; for MNIST, give its folder with --data-dir "
            "or DATA_DIR."
        )
        return _small_digits()


def images_at_hand(data_dir: Path, besides: str) -> dict[str, Tensor]:
    """Test images, uint8[count, 28, 28], of each data set in `data_dir` but one; none is downloaded.

    Of QMNIST those that MNIST does not have.

    Raises:
        DataFileError: A file is there, but truncated, corrupt or not what its name says.
    """
    found = {}
    for name, source in SOURCES.items():
        raw = data_dir / source.raw
        if name == besides or any(not (raw / file.name).is_file() for file in source.files[2:]):
            continue
        for file in source.files[2:]:
            file.check(raw)
        found[name] = _read(raw, source, source.files[2:]).images[source.test_count :]
    return found


def _from_torchvision(name: str, data_dir: Path, say: Callable[[str], None]) -> DataSet:
    if name not in SOURCES:
        raise DataUnavailableError(f"data set {name!r} is unknown; known are {', '.join(NAMES)}")
    source = SOURCES[name]
    raw = data_dir / source.raw
    if any(not (raw / file.name).is_file() for file in source.files):
        _download(name, source, data_dir, say)
    for file in source.files:
        file.check(raw)
    train, test = _read(raw, source, source.files[:2]), _read(raw, source, source.files[2:])[: source.test_count]
    fit, held_out = _split(train, held_out=len(train) // 12)  # MNIST: 55,000 and 5,000
    return DataSet(name, fit, held_out, test, name in SHOWING_DIGITS)


def _read(raw: Path, source: _Source, files: tuple[IdxFile, ...]) -> LabelledImages:
    # The files that were checked, and not what torchvision would rather read where it lies beside them.
    images, labels = (read_sn3_pascalvincent_tensor(str(raw / file.name)) for file in files)
    labels = (labels[:, 0] if labels.ndim == 2 else labels).long()  # QMNIST: column 0 is the class
    if labels.min() < 0 or labels.max() >= CLASSES:
        found = f"{int(labels.min())} to {int(labels.max())}"
        raise DataFileError(f"{raw / files[1].name}: expected labels from 0 to 9, found {found}")
    return LabelledImages((images.transpose(1, 2) if source.transposed else images).contiguous(), labels)


def _small_digits() -> DataSet:
    everything = LabelledImages(*load_small_digits())
    rest, test = _split(everything, held_out=300)
    fit, held_out = _split(rest, held_out=200)
    return DataSet(SMALL_DIGITS, fit, held_out, test, shows_digits=True)


def _split(images: LabelledImages, held_out: int) -> tuple[LabelledImages, LabelledImages]:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    return images[order[held_out:]], images[order[:held_out]]


def _download(name: str, source: _Source, data_dir: Path, say: Callable[[str], None]) -> None:
    """Fetch a data set beside its place, check it there, then move its files in: none of them is ever half-written."""
    where, looked = f"{name} is not in {data_dir}", _what_lies_there(source, data_dir)
    if not _any_answers(source.addresses):
        raise DataUnavailableError(f"{where}, and none of its mirrors answered within {PATIENCE_S:.0f} s. {looked}")
    say(f"{where}: downloading it.")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_S)  # torchvision would wait for ever for a mirror that has stalled
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=data_dir) as beside:
            for train in (True, False):
                source.download(root=beside, train=train)
            downloaded, raw = Path(beside) / source.raw, data_dir / source.raw
            for file in source.files:
                file.check(downloaded)
            raw.mkdir(parents=True, exist_ok=True)
            for file in source.files:
                if not (raw / file.name).is_file():
                    os.replace(downloaded / file.name, raw / file.name)
    except (OSError, RuntimeError) as error:  # torchvision raises RuntimeError where every mirror failed
        raise DataUnavailableError(f"{where}, and its download failed: {error}. {looked}") from error
    finally:
        socket.setdefaulttimeout(timeout)


def _what_lies_there(source: _Source, data_dir: Path) -> str:
    """Which files were looked for in vain, and what is there instead: a wrong folder is seen at once."""
    raw = data_dir / source.raw
    missing = ", ".join(file.name for file in source.files if not (raw / file.name).is_file())
    nearest = next((folder for folder in (raw, raw.parent, data_dir) if folder.is_dir()), None)
    if nearest is None:
        found = f"{data_dir} is no folder" if data_dir.exists() else f"there is no {data_dir}"
    else:
        names = sorted(path.name + "/" * path.is_dir() for path in nearest.iterdir())
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        found = f"{nearest} holds {', '.join(names[:NAMES_SHOWN]) or 'nothing'}{more}"
    return f"Looked in {raw} for {missing}; {found}."


def _any_answers(addresses: tuple[str, ...]) -> bool:
    """Whether any address answers in time. In threads of their own: a name look-up can hang longer than any timeout."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask(address: str) -> None:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE_S):
                answers.put(True)
        except (OSError, http.client.HTTPException):
            answers.put(False)

    for address in addresses:
        threading.Thread(target=ask, args=(address,), daemon=True).start()
    deadline = time.monotonic() + PATIENCE_S
    for _ in addresses:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            return False
    return False
