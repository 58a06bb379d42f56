"""IDX files of any name, size and labels as a data set."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.data import DataFileError, DataSet, DataUnavailableError, load_data_set
from training.data_sets.idx_files import IdxFile


def idx_bytes(values: NDArray[np.generic]) -> bytes:
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12}
    code = codes[values.dtype.name]
    return IdxFile("", values.shape, code).header + values.astype(values.dtype.newbyteorder(">")).tobytes()


def write(path: Path, values: NDArray[np.float64]) -> int:
    return path.write_bytes(idx_bytes(values.astype(np.uint8)))


def write_pair(folder: Path, prefix: str, count: int, size: int = 28, classes: int = 10, pack: bool = False) -> Path:
    """Rectangles at random places, and labels in turn; the label is the rectangle's brightness."""
    rng = np.random.default_rng(count)
    labels = (np.arange(count) % classes).astype(np.int32)
    images = np.zeros((count, size, size), np.uint8)
    places, sizes = (
        rng.integers(2, size // 2, (count, 2)),
        rng.integers(size // 6, size // 3, (count, 2), endpoint=True),
    )
    for image, label, (top, left), (high, wide) in zip(images, labels, places, sizes, strict=True):
        image[top : top + high, left : left + wide] = 100 + 10 * label
    for name, values in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-int", labels)):
        content = idx_bytes(values)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (f"{name}.gz" if pack else name)
        path.write_bytes(gzip.compress(content) if pack else content)
    return folder


def load(folder: Path) -> DataSet:
    return load_data_set("idx", folder, lambda _: None)


@pytest.mark.parametrize("pack", [False, True])
def test_one_pair_of_files_is_split_by_content(pack: bool, tmp_path: Path) -> None:
    write_pair(tmp_path, "letters", 300, classes=4, pack=pack)
    (tmp_path / "readme.txt").write_text("four letters")
    data = load(tmp_path)
    assert (data.name, data.class_names, data.shows_digits) == ("idx", ("0", "1", "2", "3"), False)
    assert len(data.fit) + len(data.held_out) + len(data.test) == 300
    for image, label in zip(data.fit.images, data.fit.labels, strict=True):
        assert image.max() == 100 + 10 * label


def test_two_pairs_are_to_train_and_to_test(tmp_path: Path) -> None:
    write_pair(tmp_path, "emnist-mine-train", 300)
    write_pair(tmp_path, "emnist-mine-test", 50)
    data = load(tmp_path)
    assert (len(data.fit) + len(data.held_out), len(data.test)) == (300, 50)
    assert data.class_names == tuple("0123456789")
    assert not data.shows_digits  # numbered as digits, and none


def test_classes_are_the_labels_that_there_are_and_are_named_by_them(tmp_path: Path) -> None:
    labels = np.tile(np.array([40, 7, 100], np.uint8), 40)
    images = np.random.default_rng(0).integers(0, 256, (120, 28, 28), dtype=np.uint8)
    (tmp_path / "images").write_bytes(idx_bytes(images))
    (tmp_path / "classes").write_bytes(idx_bytes(labels))  # the only two: they belong together
    data = load(tmp_path)
    assert data.class_names == ("7", "40", "100")
    of_class = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    for image, label in zip(data.fit.images, data.fit.labels, strict=True):
        assert of_class[image.numpy().tobytes()] == int(data.class_names[int(label)])


def test_images_of_another_size_are_brought_to_28x28(tmp_path: Path) -> None:
    write_pair(tmp_path, "large", 120, size=64)
    images = load(tmp_path).fit.images
    assert images.shape[1:] == (28, 28)
    ink = (images > 0).any(dim=1)
    assert (ink.sum(dim=1) <= 20).all()  # MNIST's box
    as_is = load_data_set("idx", tmp_path, lambda _: None, as_is=True).fit.images
    assert ((as_is > 0).any(dim=1).sum(dim=1) < 14).all()  # as small as it was


def test_digits_are_recognised_as_such(small_digits: DataSet, tmp_path: Path) -> None:
    (tmp_path / "my-images").write_bytes(idx_bytes(small_digits.fit.images.numpy()))
    (tmp_path / "my-labels").write_bytes(idx_bytes(small_digits.fit.labels.numpy().astype(np.uint8)))
    assert load(tmp_path).shows_digits


@pytest.mark.parametrize(
    ("arrange", "error", "words"),
    [
        (lambda folder: None, DataUnavailableError, "holds no IDX file of images"),
        (lambda folder: write_pair(folder, "a", 60, classes=11), DataFileError, "11 classes .* at most 10"),
        (lambda folder: [write_pair(folder, name, 60) for name in "abc"], DataFileError, "several data sets"),
        (lambda folder: [write_pair(folder, name, 60) for name in "ab"], DataFileError, "which is the test"),
        (lambda folder: (write_pair(folder, "a", 60), write(folder / "b-images", np.zeros((9, 28, 28)))),
         DataFileError, "no IDX file of labels for b-images"),
        (lambda folder: (write_pair(folder, "a", 60), write(folder / "a-labels-idx1-int", np.zeros(59))),
         DataFileError, "60 images, a-labels-idx1-int has 59 labels"),
        (lambda folder: (write_pair(folder, "a", 60), (folder / "a-labels-idx1-int").write_bytes(b"\0\0\x08\x01\0")),
         DataFileError, "a-labels-idx1-int is truncated"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_with_the_reason(
    arrange: Callable[[Path], object], error: type[Exception], words: str, tmp_path: Path
) -> None:
    arrange(tmp_path)
    with pytest.raises(error, match=words):
        load(tmp_path)


def test_kaggles_training_file_is_a_data_set_of_its_own(small_digits: DataSet, tmp_path: Path) -> None:
    images, labels = small_digits.fit.images[:200], small_digits.fit.labels[:200]
    header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    rows = torch.cat([labels[:, None], images.flatten(1).long()], dim=1).tolist()
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
    path = tmp_path / "train.csv"
    path.write_text(text)
    data = load_data_set("kaggle-digits", tmp_path)
    assert (data.name, data.class_names, data.shows_digits) == ("kaggle-digits", tuple("0123456789"), True)
    expected = {image.numpy().tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    found = {
        image.numpy().tobytes(): int(label)
        for part in (data.fit, data.held_out, data.test)
        for image, label in zip(part.images, part.labels, strict=True)
    }
    assert found == expected

    for damaged, words in (
        (text.replace("label,", ""), "is not Kaggle's train.csv"),  # its test.csv
        (text[:-1500], "is damaged"),
        (text.replace("\n", "\n9", 2).replace("\n9label", "\nlabel", 1), "expected labels from 0 to 9, found"),
    ):
        path.write_text(damaged)
        with pytest.raises(DataFileError, match=words):
            load_data_set("kaggle-digits", tmp_path)
    path.unlink()
    with pytest.raises(DataUnavailableError, match=r"looked for train\.csv"):
        load_data_set("kaggle-digits", tmp_path)
