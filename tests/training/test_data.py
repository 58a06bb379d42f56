from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.blank_data import write_blank, write_idx
from training.data import DataSet, DataUnavailableError, images_at_hand, load_data_set
from training.data_sets import torchvision_sets as module
from training.data_sets.errors import DataFileError
from training.data_sets.idx_files import IdxFile


def test_mnist_is_split_into_55000_5000_and_10000(mnist: DataSet) -> None:
    assert (len(mnist.fit), len(mnist.held_out), len(mnist.test)) == (55_000, 5_000, 10_000)
    assert mnist.fit.images.dtype == torch.uint8
    assert mnist.fit.images.shape == (55_000, 28, 28)
    assert mnist.fit.labels.bincount().tolist()[1] > 6_000  # ones are the most frequent


def test_no_held_out_image_is_fitted_to(small_digits: DataSet) -> None:
    parts = [small_digits.fit, small_digits.held_out, small_digits.test]
    images = [image.numpy().tobytes() for part in parts for image in part.images]
    assert len(images) == 1797
    assert len(set(images)) == len(images)


def test_the_split_never_changes(small_digits: DataSet) -> None:
    again = load_data_set("sklearn-digits", Path("nowhere"))
    assert torch.equal(small_digits.held_out.images, again.held_out.images)


def test_small_digits_are_in_mnists_manner(small_digits: DataSet) -> None:
    images = small_digits.fit.images
    assert images.shape[1:] == (28, 28)
    assert images.flatten(1).max(dim=1).values.min() == 255  # white ink ...
    assert images[:, 0].max() == 0  # ... on black
    for axis in (1, 2):
        ink = images.amax(dim=axis) > 0
        assert ink.sum(dim=1).max() <= 20  # in a box of 20x20 ...
        profile = images.float().sum(dim=axis)
        centre = (profile * torch.arange(28)).sum(dim=1) / profile.sum(dim=1)
        assert (centre - 13.5).abs().max() <= 0.51  # ... whose centre of mass is the picture's
    assert sorted(small_digits.fit.labels.unique().tolist()) == list(range(10))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)  # nothing answers in no time


def test_without_mnist_who_named_nothing_is_told_so_and_gets_the_small_digits(
    no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    loaded = load_data_set("auto", None, said.append)
    assert loaded.name == "sklearn-digits"
    assert "mnist is not in data" in said[0]
    assert "scikit-learn" in said[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["auto", "mnist", "kmnist"])
def test_a_named_folder_without_the_data_set_is_never_another_data_set(
    no_network: None, name: str, tmp_path: Path
) -> None:
    said: list[str] = []
    with pytest.raises(DataUnavailableError, match="is not in"):
        load_data_set(name, tmp_path, said.append)
    assert said == []


def test_who_names_a_wrong_folder_is_told_what_was_looked_for_and_what_lies_there(
    no_network: None, tmp_path: Path
) -> None:
    def refusal_of(folder: Path) -> str:
        with pytest.raises(DataUnavailableError) as refused:
            load_data_set("kmnist", folder)
        return str(refused.value)

    raw = tmp_path / "KMNIST/raw"
    assert f"there is no {raw}." in refusal_of(raw)
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").touch()
    for index in range(11):
        (raw / f"{index:02d}.gz").touch()
    missing = "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, compressed or not"
    elsewhere = f"and in {tmp_path}/raw and {tmp_path}"
    assert f"Looked in {raw} for {missing}, {elsewhere}; {raw} holds 00.gz, 01.gz, " in refusal_of(tmp_path)
    assert " 09.gz and 2 more." in refusal_of(tmp_path)
    assert f"{raw.parent} holds raw/." in refusal_of(raw.parent)
    assert f"{raw / '00.gz'} is no folder." in refusal_of(raw / "00.gz")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataUnavailableError, match=r"'minst' is unknown; known are auto, mnist, .*emnist-digits"):
        load_data_set("minst", Path("nowhere"))


@pytest.mark.parametrize("name", ["fashion-mnist", "kmnist"])
def test_relatives_of_mnist_are_read(name: str, tmp_path: Path) -> None:
    write_blank(tmp_path, name)
    loaded = load_data_set(name, tmp_path)
    assert (loaded.name, len(loaded.fit), len(loaded.test)) == (name, 55_000, 10_000)


def test_qmnist_is_read_with_its_class_in_the_first_column(tmp_path: Path) -> None:
    write_blank(tmp_path, "qmnist")
    labels = torch.zeros(60_000, 8, dtype=torch.int32)
    labels[:, 0], labels[:, 1] = 7, 12_345
    body = labels.numpy().astype(">i4").tobytes()
    write_idx(tmp_path / "QMNIST/raw/qmnist-train-labels-idx2-int", (60_000, 8), body, type_code=12)
    loaded = load_data_set("qmnist", tmp_path)
    assert loaded.fit.labels.unique().tolist() == [7]
    assert len(loaded.test) == 10_000


def test_emnist_is_turned_upright(tmp_path: Path) -> None:
    write_blank(tmp_path, "emnist-digits")
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[0] = 255  # stored column by column: a line that stands on the left
    body = image.numpy().tobytes() * 40_000
    write_idx(tmp_path / "EMNIST/raw/emnist-digits-test-images-idx3-ubyte", (40_000, 28, 28), body)
    assert torch.equal(load_data_set("emnist-digits", tmp_path).test.images[0], image.T)


def test_other_data_sets_are_found_where_they_lie_and_mnists_own_digits_are_no_others(tmp_path: Path) -> None:
    assert images_at_hand(tmp_path, besides="mnist") == {}
    for name in ("fashion-mnist", "qmnist", "kmnist"):
        write_blank(tmp_path, name)
    body = bytes(28 * 28) * 10_000 + bytes([9]) * (28 * 28 * 50_000)
    write_idx(tmp_path / "QMNIST/raw/qmnist-test-images-idx3-ubyte", (60_000, 28, 28), body)
    (tmp_path / "FashionMNIST/raw/train-images-idx3-ubyte").unlink()  # the test set is enough
    found = images_at_hand(tmp_path, besides="kmnist")
    assert {name: len(images) for name, images in found.items()} == {"fashion-mnist": 10_000, "qmnist": 50_000}
    assert found["qmnist"].unique().tolist() == [9]


def test_a_truncated_file_is_refused_by_name_with_what_was_expected(tmp_path: Path) -> None:
    write_blank(tmp_path, "kmnist")
    file = tmp_path / "KMNIST/raw/t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(
        DataFileError, match=r"t10k-images-idx3-ubyte is truncated: expected 7,840,016 bytes, found 7,840,015"
    ):
        load_data_set("kmnist", tmp_path)


def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    write_blank(tmp_path, "kmnist")
    (tmp_path / "KMNIST/raw/train-labels-idx1-ubyte").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataFileError, match="train-labels-idx1-ubyte is not the file that its name says"):
        load_data_set("kmnist", tmp_path)


def test_another_data_set_under_mnists_name_is_refused(tmp_path: Path) -> None:
    write_blank(tmp_path, "mnist")
    with pytest.raises(
        DataFileError, match=r"train-images-idx3-ubyte is corrupt or another file: expected MD5 6bbc9ace"
    ):
        load_data_set("mnist", tmp_path)


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    write_blank(tmp_path, "kmnist")
    write_idx(tmp_path / "KMNIST/raw/train-labels-idx1-ubyte", (60_000,), bytes([0, 11]) * 30_000)
    with pytest.raises(DataFileError, match="expected labels from 0 to 9, found 0 to 11"):
        load_data_set("kmnist", tmp_path)


def test_an_idx_file_knows_its_size() -> None:
    assert IdxFile("images", (10_000, 28, 28)).size == 7_840_016
    assert IdxFile("labels", (60_000, 8), type_code=12).size == 12 + 60_000 * 8 * 4


def mirrored(name: str, download: Callable[..., None], tmp_path: Path) -> module.Source:
    """A data set whose mirror answers, with a download of the test's own."""
    (tmp_path / "mirror").touch()
    source = module.SOURCES[name]
    return module.Source(download, source.raw, source.files, ((tmp_path / "mirror").as_uri(),))


def test_a_download_moves_whole_files_into_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        module.SOURCES, "kmnist", mirrored("kmnist", lambda root, train: write_blank(Path(root), "kmnist"), tmp_path)
    )
    said: list[str] = []
    assert len(load_data_set("kmnist", tmp_path / "data", said.append).test) == 10_000
    assert "downloading it" in said[0]
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"KMNIST"}


def test_a_download_that_breaks_off_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(root: str, train: bool) -> None:
        (Path(root) / "KMNIST/raw").mkdir(parents=True)
        (Path(root) / "KMNIST/raw/train-images-idx3-ubyte").write_bytes(b"half")
        raise RuntimeError("connection reset")

    monkeypatch.setitem(module.SOURCES, "kmnist", mirrored("kmnist", broken, tmp_path))
    with pytest.raises(DataUnavailableError, match="its download failed: connection reset"):
        load_data_set("kmnist", tmp_path / "data")
    assert list((tmp_path / "data").rglob("*")) == []


def test_a_download_of_something_else_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(root: str, train: bool) -> None:
        write_blank(Path(root), "kmnist")
        (Path(root) / "KMNIST/raw/t10k-labels-idx1-ubyte").write_bytes(b"<html>")

    monkeypatch.setitem(module.SOURCES, "kmnist", mirrored("kmnist", wrong, tmp_path))
    with pytest.raises(DataFileError, match="t10k-labels-idx1-ubyte is not the file that its name says"):
        load_data_set("kmnist", tmp_path / "data")
    assert list((tmp_path / "data").rglob("*")) == []
