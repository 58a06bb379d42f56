"""MNIST and its relatives, as torchvision knows them: found on disk in any of their layouts, or downloaded."""

import hashlib
import http.client
import os
import queue
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluation import torchvision_without_ops  # noqa: F401  (before torchvision)
from evaluation.classifier import SHOWING_DIGITS
from training.config import CLASSES, DIGITS
from training.data_sets.errors import DataFileError, DataUnavailableError
from training.data_sets.idx_files import IdxFile, read_bytes
from training.data_sets.labelled_images import HELD_OUT_OF_TRAINING, DataSet, LabelledImages, split
from training.data_sets.parquet_mnist import find_parquet, read_parquet

from torchvision import datasets  # isort: skip

MNIST = "mnist"
NAMES_SHOWN = 10  # of what lies in a folder without the data set
PATIENCE_S = 10.0  # how long `auto` waits for a mirror before it gives up


@dataclass(frozen=True)
class Source:
    """A data set of torchvision's.

    Attributes:
        download: Called with `root` and `train`, fetches a half of it into `root/raw`.
        raw: Its folder.
        files: Training images and labels, test images and labels.
        addresses: Any of them answers if it can be downloaded.
        test_count: How many of the test file's images are the test set; None: all.
        transposed: Its images are stored column by column.
        class_names: By class.
    """

    download: Callable[..., object]
    raw: str
    files: tuple[IdxFile, ...]
    addresses: tuple[str, ...]
    test_count: int | None = None
    transposed: bool = False
    class_names: tuple[str, ...] = DIGITS

    def folders(self, data_dir: Path) -> list[Path]:
        """Where its files may lie: in torchvision's layout, or in a folder that holds no other data set."""
        return list(dict.fromkeys((data_dir / self.raw, data_dir / "raw", data_dir)))


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


def _relative(family: Any) -> Source:  # torchvision tells no types
    """Of a data set of as many images in files of the same names as MNIST's."""
    return Source(
        partial(family, download=True),
        f"{family.__name__}/raw",
        _idx_pair("train", 60_000) + _idx_pair("t10k", 10_000),
        _first_addresses(family),
        class_names=tuple(family.classes),
    )


SOURCES = {
    MNIST: Source(
        partial(datasets.MNIST, download=True),
        "MNIST/raw",
        # No other file passes for one of MNIST's, a relative's of the same shape included.
        _idx_pair("train", 60_000, ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"))
        + _idx_pair("t10k", 10_000, ("2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637")),
        _first_addresses(datasets.MNIST),
    ),
    "fashion-mnist": _relative(datasets.FashionMNIST),
    "kmnist": _relative(datasets.KMNIST),
    "qmnist": Source(
        lambda root, train: datasets.QMNIST(root, what="train" if train else "test", download=True),
        "QMNIST/raw",
        _qmnist_pair("qmnist-train") + _qmnist_pair("qmnist-test"),
        (datasets.QMNIST.resources["train"][0][0],),
        test_count=10_000,  # the first 10,000 are MNIST's own
    ),
    "emnist-digits": Source(
        lambda root, train: datasets.EMNIST(root, split="digits", train=train, download=True),
        "EMNIST/raw",
        _idx_pair("emnist-digits-train", 240_000) + _idx_pair("emnist-digits-test", 40_000),
        (datasets.EMNIST.url,),
        transposed=True,
    ),
}


def load_torchvision_set(name: str, data_dir: Path, say: Callable[[str], None]) -> DataSet:
    """One of `SOURCES` from a folder, to which it is downloaded where it is not there yet.

    Raises:
        DataUnavailableError: It is neither there nor to be downloaded.
        DataFileError: A file is there, but truncated, corrupt or not what its name says.
    """
    source = SOURCES[name]
    paths = _find(source, data_dir, source.files)
    if paths is None and name == MNIST and (parquet := find_parquet(data_dir)):
        train, test = (
            LabelledImages(*map(torch.from_numpy, read_parquet(files, pair, say)))
            for files, pair in zip(parquet, (source.files[:2], source.files[2:]), strict=True)
        )
    else:
        if paths is None:
            _download(name, source, data_dir, say)
            paths = [data_dir / source.raw / file.name for file in source.files]
        train = _read(source, source.files[:2], paths[:2])
        test = _read(source, source.files[2:], paths[2:])[: source.test_count]
    fit, held_out = split(train, len(train) // HELD_OUT_OF_TRAINING)
    return DataSet(name, fit, held_out, test, name in SHOWING_DIGITS, source.class_names)


def images_at_hand(data_dir: Path, besides: str) -> dict[str, Tensor]:
    """Test images, uint8[count, 28, 28], of each data set in `data_dir` but one; none is downloaded.

    Of QMNIST those that MNIST does not have.

    Raises:
        DataFileError: A file is there, but truncated, corrupt or not what its name says.
    """
    found = {}
    for name, source in SOURCES.items():
        files = source.files[2:]
        # In a folder of its own: files of these names in any folder are several data sets'.
        paths = [path for file in files if (path := file.find(data_dir / source.raw)) is not None]
        if name != besides and len(paths) == len(files):
            found[name] = _read(source, files, paths).images[source.test_count :]
    return found


def _find(source: Source, data_dir: Path, files: Sequence[IdxFile]) -> list[Path] | None:
    """The files, all from one folder."""
    for folder in source.folders(data_dir):
        paths = [path for file in files if (path := file.find(folder)) is not None]
        if len(paths) == len(files) and not _is_mnist_by_another_name(source, paths):
            return paths
    return None


def _is_mnist_by_another_name(source: Source, paths: Sequence[Path]) -> bool:
    """Whether a data set whose files are named as MNIST's would be read from MNIST's."""
    labels = SOURCES[MNIST].files[1]
    if source is SOURCES[MNIST] or source.files[1].name != labels.name:
        return False
    return hashlib.md5(read_bytes(paths[1]), usedforsecurity=False).hexdigest() == labels.md5


def _read(source: Source, files: Sequence[IdxFile], paths: Sequence[Path]) -> LabelledImages:
    images, labels = (file.read(path) for file, path in zip(files, paths, strict=True))
    labels = (labels[:, 0] if labels.ndim == 2 else labels).astype(np.int64)  # QMNIST: column 0 is the class
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise DataFileError(f"{paths[1]}: expected labels from 0 to 9, found {labels.min()} to {labels.max()}")
    images = np.array(images.transpose(0, 2, 1) if source.transposed else images, np.uint8, order="C")
    return LabelledImages(torch.from_numpy(images), torch.from_numpy(labels))


def _download(name: str, source: Source, data_dir: Path, say: Callable[[str], None]) -> None:
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
                file.read(downloaded / file.name)
            raw.mkdir(parents=True, exist_ok=True)
            for file in source.files:
                if not (raw / file.name).is_file():
                    os.replace(downloaded / file.name, raw / file.name)
    except (OSError, RuntimeError) as error:  # torchvision raises RuntimeError where every mirror failed
        raise DataUnavailableError(f"{where}, and its download failed: {error}. {looked}") from error
    finally:
        socket.setdefaulttimeout(timeout)


def _what_lies_there(source: Source, data_dir: Path) -> str:
    """Which files were looked for in vain, and what is there instead: a wrong folder is seen at once."""
    raw, *others = source.folders(data_dir)
    missing = ", ".join(file.name for file in source.files if file.find(raw) is None)
    nearest = next((folder for folder in (raw, raw.parent, data_dir) if folder.is_dir()), None)
    if nearest is None:
        found = f"{data_dir} is no folder" if data_dir.exists() else f"there is no {data_dir}"
    else:
        names = sorted(path.name + "/" * path.is_dir() for path in nearest.iterdir())
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        found = f"{nearest} holds {', '.join(names[:NAMES_SHOWN]) or 'nothing'}{more}"
    return f"Looked in {raw} for {missing}, compressed or not, and in {' and '.join(map(str, others))}; {found}."


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
