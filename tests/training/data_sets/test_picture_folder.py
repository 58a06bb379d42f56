"""Folders of pictures: any sizes, formats and names, read once, and split by what they show."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from training.data import DataFileError, DataSet, DataUnavailableError, LabelledImages, load_data_set
from training.data_sets import picture_folder, picture_form
from training.data_sets.labelled_images import split_by_content


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def draw(path: Path, seed: int, size: tuple[int, int] = (60, 50), shape: str = "ellipse") -> Path:
    """A dark outline on light paper, of a place and size that the seed draws."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    picture = Image.new("L", size, 230)
    left, top = rng.integers(5, 15, 2)
    right, bottom = rng.integers(30, 45, 2)
    getattr(ImageDraw.Draw(picture), shape)((int(left), int(top), int(right), int(bottom)), outline=20, width=4)
    picture.save(path)
    return path


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder)
    folder.mkdir()
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Sixty drawings in three formats, of two classes, one of them with a folder within."""
    folder = tmp_path / "drawings"
    for number in range(30):
        draw(folder / "round" / f"{number}.png", number)
        draw(folder / "square" / ("new" if number % 2 else "") / f"{number}.{'jpg' if number % 3 else 'bmp'}", number,
             shape="rectangle")  # fmt: skip
    return folder


def load(folder: Path, as_is: bool = False) -> tuple[DataSet, list[str]]:
    said: list[str] = []
    return load_data_set("folder", folder, said.append, as_is), said


def everything(data: DataSet) -> set[tuple[bytes, int]]:
    return {
        (image.numpy().tobytes(), int(label))
        for part in (data.fit, data.held_out, data.test)
        for image, label in zip(part.images, part.labels, strict=True)
    }


def test_a_subfolder_is_a_class_and_pictures_come_in_mnists_form(pictures: Path) -> None:
    data, said = load(pictures)
    assert said == []
    assert (data.name, data.class_names, data.shows_digits) == ("folder", ("round", "square"), False)
    labels = torch.cat([data.fit.labels, data.held_out.labels, data.test.labels])
    assert labels.bincount().tolist() == [30, 30]
    images = data.fit.images
    assert images.dtype == torch.uint8
    assert images[:, :3].max() == 0  # white ink on black, in the middle
    assert images.flatten(1).max(dim=1).values.min() > 200
    # A rectangle reaches into the corners of its box, an ellipse does not.
    corner = images[:, 4:8, 4:8].flatten(1).max(dim=1).values
    assert (corner[data.fit.labels == 1] > 100).float().mean() > (corner[data.fit.labels == 0] > 100).float().mean()
    assert len({int(label) for label in data.fit.labels[:10]}) == 2  # mixed, as floors and sheets want them


def test_without_subfolders_there_are_no_classes(tmp_path: Path) -> None:
    for number in range(40):
        draw(tmp_path / "all" / f"{number}.png", number)
    data, _ = load(tmp_path / "all")
    assert data.class_names == ()
    assert data.fit.labels.unique().tolist() == [0]


def test_as_it_is_a_picture_is_cropped_to_a_square_and_reduced(tmp_path: Path) -> None:
    for number in range(40):
        picture = np.full((56, 96), 40 + number, np.uint8)
        picture[:, :20] = picture[:, 76:] = 250  # beyond the square in the middle
        picture[:28] += 100
        (tmp_path / "all").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "all" / f"{number}.png")
    data, _ = load(tmp_path / "all", as_is=True)
    for image in data.fit.images:
        assert image[:14].unique().tolist() == [int(image[0, 0])]
        assert int(image[0, 0]) == int(image[20, 0]) + 100 < 250


def test_pictures_of_28x28_are_taken_as_they_are_where_it_is_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "all").mkdir()
    pixels = [rng.integers(0, 256, (28, 28), dtype=np.uint8) for _ in range(40)]
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "all" / f"{number}.png")
    assert everything(load(tmp_path / "all", as_is=True)[0]) == {(image.tobytes(), 0) for image in pixels}


def test_files_that_are_no_pictures_are_named_counted_and_left_out(pictures: Path) -> None:
    (pictures / "round" / "notes.txt").write_text("seven ellipses")
    torn = pictures / "round" / "torn.png"
    torn.write_bytes((pictures / "round" / "1.png").read_bytes()[:60])
    Image.new("L", (40, 40), 255).save(pictures / "square" / "paper.png")
    (pictures / "square" / ".DS_Store").write_bytes(b"\0")
    (pictures / "square" / "Thumbs.db").write_bytes(b"\0")
    (pictures / ".git").mkdir()
    (pictures / "read me").touch()
    data, said = load(pictures)
    assert len(everything(data)) == 60
    assert said[0] == f"1 files beside the subfolders of {pictures} belong to no class, and are left out"
    assert said[1].startswith("3 files are no pictures and are left out: round/notes.txt: ")
    assert "round/torn.png: " in said[1]
    assert "square/paper.png: nothing is found in it" in said[1]
    for number in range(7):
        (pictures / "round" / f"{number}.txt").touch()
    assert load(pictures)[1][1].endswith("; and 5 more")


@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        (lambda folder: (folder / "empty").mkdir(), "no picture of the class empty"),
        (lambda folder: draw(folder / "x" / "a.png", 0).write_bytes(b""), "no picture of the class x"),
        (lambda folder: draw(folder / "x" / "a.png", 0), "too few images of the class x"),
        (lambda folder: [draw(folder / f"{n}" / "a.png", n) for n in range(9)], "11 classes .*: there can be at most"),
        (lambda folder: draw(emptied(folder) / "a.png", 0), "1 pictures are too few"),
        (lambda folder: emptied(folder), "holds no picture"),
        (lambda folder: (shutil.move(folder, f"{folder}-"), shutil.copytree(f"{folder}-", folder / "train")),
         "holds train, which are parts of a data set"),
    ],
)  # fmt: skip
def test_what_is_no_data_set_is_refused_with_the_reason(
    arrange: Callable[[Path], object], words: str, pictures: Path
) -> None:
    arrange(pictures)
    with pytest.raises(DataFileError, match=words):
        load(pictures)


def test_a_folder_has_to_be_there_and_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match="no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataUnavailableError, match="--dataset folder needs the folder of the data"):
        load_data_set("folder", None)


def test_pictures_are_worked_through_once_also_of_a_folder_that_is_only_read(
    pictures: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Path] = []

    def counted(path: Path, as_is: bool) -> object:
        looked_at.append(path)
        return picture_form.form_of_file(path, as_is)

    monkeypatch.setattr(picture_folder, "form_of_file", counted)
    before = sorted(pictures.rglob("*"))
    pictures.chmod(0o555)
    first, _ = load(pictures)
    assert sorted(pictures.rglob("*")) == before
    assert len(looked_at) == 60
    pictures.chmod(0o755)

    # Renamed, moved and touched files are known by their content; a changed one is not.
    shutil.move(pictures / "round", pictures / "oval")
    os.utime(pictures / "oval" / "3.png")
    looked_at.clear()
    again, _ = load(pictures)
    assert looked_at == []
    assert again.class_names == ("oval", "square")
    assert again.fingerprint() == first.fingerprint()
    changed = draw(pictures / "oval" / "3.png", 999)
    assert load(pictures)[0].fingerprint() != first.fingerprint()
    assert looked_at == [changed]

    # Another form, another way to it, or a damaged cache: worked through again.
    looked_at.clear()
    load(pictures, as_is=True)
    assert len(looked_at) == 60
    monkeypatch.setattr("training.data_sets.picture_cache.form_version", lambda: "other")
    load(pictures)
    assert len(looked_at) == 120
    for file in own_cache.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:1000])
    load(pictures)
    assert len(looked_at) == 180


def test_a_cache_that_cannot_be_written_is_told_and_done_without(pictures: Path, own_cache: Path) -> None:
    own_cache.touch()  # a file in the way of the folder
    data, said = load(pictures)
    assert len(everything(data)) == 60
    [line] = said
    assert line.startswith("the pictures at 28x28 are not kept for the next time: ")


def test_what_was_done_before_an_interruption_is_kept(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Path] = []

    def interrupted(path: Path, as_is: bool) -> object:
        looked_at.append(path)
        if len(looked_at) == 40:
            raise KeyboardInterrupt
        return picture_form.form_of_file(path, as_is)

    monkeypatch.setattr(picture_folder, "form_of_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(pictures)
    load(pictures)
    assert len(looked_at) == 40 + 60 - 39


def test_many_pictures_are_prepared_by_several_processes_to_the_same_end(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = load(pictures)[0].fingerprint()
    monkeypatch.setattr(picture_form, "ALONE", 10)
    monkeypatch.setattr(picture_form, "cores_allowed", lambda: 2)
    monkeypatch.setattr("training.data_sets.picture_cache.form_version", lambda: "other")
    assert load(pictures)[0].fingerprint() == alone


def random_images(count: int) -> LabelledImages:
    rng = torch.Generator().manual_seed(0)
    return LabelledImages(
        torch.randint(0, 256, (count, 28, 28), generator=rng, dtype=torch.uint8),
        torch.randint(0, 10, (count,), generator=rng),
    )


def keys(part: LabelledImages) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.images}


def test_an_image_and_its_copies_stay_in_their_part_whatever_else_is_added() -> None:
    images = random_images(2000)
    parts = [keys(part) for part in split_by_content(images)]
    assert [len(part) / 2000 for part in parts] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    assert sum(map(len, parts)) == 2000
    fewer = [keys(part) for part in split_by_content(images[torch.arange(1999, 500, -1)])]
    assert all(few <= many for few, many in zip(fewer, parts, strict=True))
    twice = split_by_content(images[torch.arange(2000).repeat(2)])
    assert [keys(part) for part in twice] == parts
    assert sum(map(len, twice)) == 4000


def test_few_images_leave_enough_to_measure_on() -> None:
    parts = split_by_content(random_images(31))
    assert [len(part) for part in parts] == [11, 10, 10]
    with pytest.raises(DataFileError, match="29 pictures are too few: at least 30"):
        split_by_content(random_images(29))


def test_a_test_set_that_is_brought_along_is_kept() -> None:
    images, test = random_images(1200), random_images(20)
    fit, held_out, kept = split_by_content(images, test)
    assert kept is test
    assert len(fit) + len(held_out) == 1200
    assert len(held_out) == pytest.approx(100, abs=30)
