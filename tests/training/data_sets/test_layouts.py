"""MNIST wherever people have it: compressed or not, in any of the usual folders, and as Parquet."""

import dataclasses
import gzip
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from training.data import DataFileError, DataSet, DataUnavailableError, load_data_set
from training.data_sets import parquet_mnist, torchvision_sets
from training.data_sets.idx_files import IdxFile

COUNTS = (120, 20)
Parts = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]


@pytest.fixture
def parts() -> Parts:
    """Random images and labels, to train and to test."""
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), rng.integers(0, 10, count, dtype=np.uint8))
        for count in COUNTS
    ]


@pytest.fixture
def files(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The four files of a data set that takes the place of MNIST, so that its hashes are known, and no network."""
    monkeypatch.setattr(torchvision_sets, "PATIENCE_S", 0.0)
    idx_files, contents = [], {}
    for prefix, (images, labels) in zip(("train", "t10k"), parts, strict=True):
        for name, values in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            content = IdxFile(name, values.shape).header + values.tobytes()
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            idx_files.append(IdxFile(name, values.shape, md5=md5))
            contents[name] = content
    mnist = dataclasses.replace(torchvision_sets.SOURCES["mnist"], files=tuple(idx_files))
    monkeypatch.setitem(torchvision_sets.SOURCES, "mnist", mnist)
    return contents


def check(loaded: DataSet, parts: Parts) -> None:
    (train, _), (test, labels) = parts
    assert loaded.name == "mnist"
    assert loaded.shows_digits
    assert (len(loaded.fit), len(loaded.held_out)) == (110, 10)
    assert torch.equal(loaded.test.images, torch.from_numpy(test))
    assert torch.equal(loaded.test.labels, torch.from_numpy(labels).long())
    read = {image.numpy().tobytes() for part in (loaded.fit, loaded.held_out) for image in part.images}
    assert read == {image.tobytes() for image in train}


@pytest.mark.parametrize("folder", ["MNIST/raw", "raw", "."])
@pytest.mark.parametrize(
    "name_of",
    [lambda name: name, lambda name: f"{name}.gz", lambda name: name.replace("-idx", ".idx")],
    ids=["plain", "gz", "dot"],
)
def test_mnist_is_found_in_every_layout_of_a_folder_that_is_only_read(
    folder: str, name_of: Callable[[str], str], files: dict[str, bytes], parts: Parts, tmp_path: Path
) -> None:
    where = tmp_path / folder
    where.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = where / name_of(name)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    before = sorted(tmp_path.rglob("*"))
    where.chmod(0o555)
    try:
        check(load_data_set("mnist", tmp_path), parts)
        check(load_data_set("auto", tmp_path), parts)
    finally:
        where.chmod(0o755)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_compressed_file_is_checked_by_the_hash_of_what_is_in_it(files: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    good = path.read_bytes()
    path.write_bytes(good[:-9])
    with pytest.raises(DataFileError, match=r"t10k-images-idx3-ubyte\.gz is truncated or corrupt"):
        load_data_set("mnist", tmp_path)
    path.write_bytes(gzip.compress(files["t10k-images-idx3-ubyte"][:-1] + b"\0"))
    with pytest.raises(DataFileError, match=r"\.gz is corrupt or another file: expected MD5"):
        load_data_set("mnist", tmp_path)


def test_mnist_is_not_taken_for_a_relative_whose_files_have_the_same_names(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataUnavailableError, match="fashion-mnist is not in"):
        load_data_set("fashion-mnist", tmp_path)


def write_parquet(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """As the Hub has them: a structure of the file's bytes and its path, and a label."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def png(image: NDArray[np.uint8]) -> dict[str, object]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return {"bytes": file.getvalue(), "path": None}

    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {"image": [png(image) for image in images], "label": labels.astype(np.int64)}
    parquet.write_table(pyarrow.table(columns), path)


def test_parquet_is_mnist_where_its_pixels_are(files: dict[str, bytes], parts: Parts, tmp_path: Path) -> None:
    (images, labels), test = parts
    for shard, some in enumerate((slice(70), slice(70, None))):  # in the order of the files' names
        write_parquet(tmp_path / f"mnist/train-0000{shard}-of-00002.parquet", images[some], labels[some])
    write_parquet(tmp_path / "mnist/test-00000-of-00001.parquet", *test)
    said: list[str] = []
    check(load_data_set("mnist", tmp_path, said.append), parts)
    assert "reading MNIST from" in said[0]

    other = images.copy()
    other[3, 5, 5] ^= 1
    write_parquet(tmp_path / "mnist/train-00000-of-00002.parquet", other[:70], labels[:70])
    with pytest.raises(DataFileError, match=r"train-00000-of-00002\.parquet is corrupt or another file: expected MD5"):
        load_data_set("mnist", tmp_path)


def test_other_parquet_files_are_refused_by_name(files: dict[str, bytes], parts: Parts, tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_parquet(tmp_path / f"{part}.parquet", *parts[1])
    (tmp_path / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataFileError, match=r"train\.parquet does not hold MNIST"):
        load_data_set("mnist", tmp_path)


def test_without_pyarrow_the_command_that_brings_it_is_told(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "test"):
        (tmp_path / f"{part}-00000-of-00001.parquet").touch()
    monkeypatch.setattr(parquet_mnist, "find_spec", lambda name: None)
    with pytest.raises(DataUnavailableError, match=r"pip install 'digitforge\[parquet\]'"):
        load_data_set("mnist", tmp_path)
