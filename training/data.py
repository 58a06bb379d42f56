"""Data sets by name: found on disk, downloaded, or, for `auto` without either, scikit-learn's small digits.

Everything is held in memory as uint8, and split once and for all: most of the training set to fit, a part to select
snapshots and to calibrate on, and the data set's own test set, which is only reported on.
"""

import os
import queue
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training import torchvision_without_ops  # noqa: F401  (before torchvision)
from training.config import CLASSES
from training.idx_files import DataFileError, IdxFile
from training.small_digits import load_small_digits

from torchvision import datasets  # isort: skip

SMALL_DIGITS = "sklearn-digits"
AUTO = "auto"
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
    """A data set by name, in its three parts."""

    name: str
    fit: LabelledImages
    held_out: LabelledImages
    test: LabelledImages


@dataclass(frozen=True)
class _Source:
    """A data set of torchvision's: how to build it, its files below `raw`, and addresses that tell if it is there."""

    build: Callable[..., datasets.MNIST]  # (root, train, download)
    raw: str
    files: tuple[IdxFile, ...]
    addresses: tuple[str, ...]
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
        datasets.MNIST,
        "MNIST/raw",
        # No other file passes for one of MNIST's, a relative's of the same shape included.
        _idx_pair("train", 60_000, ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"))
        + _idx_pair("t10k", 10_000, ("2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637")),
        _first_addresses(datasets.MNIST),
    ),
    "fashion-mnist": _Source(
        datasets.FashionMNIST,
        "FashionMNIST/raw",
        _idx_pair("train", 60_000) + _idx_pair("t10k", 10_000),
        _first_addresses(datasets.FashionMNIST),
    ),
    "kmnist": _Source(
        datasets.KMNIST,
        "KMNIST/raw",
        _idx_pair("train", 60_000) + _idx_pair("t10k", 10_000),
        _first_addresses(datasets.KMNIST),
    ),
    "qmnist": _Source(
        lambda root, train, download: datasets.QMNIST(root, what="train" if train else "test10k", download=download),
        "QMNIST/raw",
        _qmnist_pair("qmnist-train") + _qmnist_pair("qmnist-test"),
        (datasets.QMNIST.resources["train"][0][0],),
    ),
    "emnist-digits": _Source(
        lambda root, train, download: datasets.EMNIST(root, split="digits", train=train, download=download),
        "EMNIST/raw",
        _idx_pair("emnist-digits-train", 240_000) + _idx_pair("emnist-digits-test", 40_000),
        (datasets.EMNIST.url,),
        transposed=True,  # EMNIST stores its images column by column
    ),
}
NAMES = (AUTO, *SOURCES, SMALL_DIGITS)


def load_data_set(name: str, data_dir: Path, say: Callable[[str], None] = print) -> DataSet:
    """Load a data set by name, downloading it into `data_dir` where it is not there yet.

    `auto` is MNIST, or where that is not to be had, scikit-learn's small digits; `say` is told so.

    Raises:
        DataUnavailableError: It is neither in `data_dir` nor to be downloaded, or the name is unknown.
        DataFileError: A file is there, but truncated, corrupt or not what its name says.
    """
    if name == SMALL_DIGITS:
        return _small_digits()
    if name != AUTO:
        return _from_torchvision(name, data_dir, say)
    try:
        return _from_torchvision("mnist", data_dir, say)
    except DataUnavailableError as error:
        say(
            f"{error}\nTraining on the 1,797 handwritten digits that scikit-learn carries instead, enlarged to 28x28. "
            "It is a small and blurred data set, so expect plain digits; for MNIST, give its folder with --data-dir "
            "or DATA_DIR."
        )
        return _small_digits()


def _from_torchvision(name: str, data_dir: Path, say: Callable[[str], None]) -> DataSet:
    if name not in SOURCES:
        raise DataUnavailableError(f"data set {name!r} is unknown; known are {', '.join(NAMES)}")
    source = SOURCES[name]
    raw = data_dir / source.raw
    if any(not (raw / file.name).is_file() for file in source.files):
        _download(name, source, data_dir, say)
    for file in source.files:
        file.check(raw)
    train = _read(source.build(root=data_dir, train=True, download=False), source)
    test = _read(source.build(root=data_dir, train=False, download=False), source)
    fit, held_out = _split(train, held_out=len(train) // 12)  # MNIST: 55,000 and 5,000
    return DataSet(name, fit, held_out, test)


def _read(dataset: datasets.MNIST, source: _Source) -> LabelledImages:
    labels = dataset.targets[:, 0] if dataset.targets.ndim == 2 else dataset.targets  # QMNIST: column 0 is the class
    labels = labels.long()
    if labels.min() < 0 or labels.max() >= CLASSES:
        folder = dataset.raw_folder
        raise DataFileError(f"{folder}: expected labels from 0 to 9, found {int(labels.min())} to {int(labels.max())}")
    images = dataset.data.transpose(1, 2) if source.transposed else dataset.data
    return LabelledImages(images.contiguous(), labels)


def _small_digits() -> DataSet:
    everything = LabelledImages(*load_small_digits())
    rest, test = _split(everything, held_out=300)
    fit, held_out = _split(rest, held_out=200)
    return DataSet(SMALL_DIGITS, fit, held_out, test)


def _split(images: LabelledImages, held_out: int) -> tuple[LabelledImages, LabelledImages]:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    return images[order[held_out:]], images[order[:held_out]]


def _download(name: str, source: _Source, data_dir: Path, say: Callable[[str], None]) -> None:
    """Fetch a data set beside its place, check it there, then move its files in: none of them is ever half-written."""
    where = f"{name} is not in {data_dir}"
    if not _any_answers(source.addresses):
        raise DataUnavailableError(f"{where}, and none of its mirrors answered within {PATIENCE_S:.0f} s.")
    say(f"{where}: downloading it.")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=data_dir) as beside:
            for train in (True, False):
                source.build(root=beside, train=train, download=True)
            downloaded, raw = Path(beside) / source.raw, data_dir / source.raw
            raw.mkdir(parents=True, exist_ok=True)
            for file in source.files:
                file.check(downloaded)
                if not (raw / file.name).is_file():
                    os.replace(downloaded / file.name, raw / file.name)
    except (OSError, RuntimeError) as error:  # torchvision raises RuntimeError where every mirror failed
        raise DataUnavailableError(f"{where}, and its download failed: {error}") from error


def _any_answers(addresses: tuple[str, ...]) -> bool:
    """Whether any address answers in time. In threads of their own: a name look-up can hang longer than any timeout."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask(address: str) -> None:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE_S):
                answers.put(True)
        except OSError:
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
