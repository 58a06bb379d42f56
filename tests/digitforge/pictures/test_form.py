"""Images in MNIST's form, as people send them: framed, enlarged, inverted, as JPEG."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from digitforge.pictures.form import has_form, in_form
from digitforge.pictures.images import decode_file
from tests.picture_files import file_of, ring
from training.data import DataSet

NEAREST, BILINEAR, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
SHOWN = 40  # test digits


def enlarged(image: np.ndarray, times: float, kernel: Image.Resampling) -> Image.Image:
    return Image.fromarray(image).resize((round(28 * times), round(28 * times)), kernel)


def as_jpeg(image: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(file_of(image, "JPEG", quality=80)))


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"))


@pytest.fixture(params=["ring", "digits"])
def images(request: pytest.FixtureRequest) -> np.ndarray:
    if request.param == "ring":
        return ring()[np.newaxis]
    mnist: DataSet = request.getfixturevalue("mnist")
    return mnist.test.images[:SHOWN].numpy()


def test_mnists_digits_have_the_form(mnist: DataSet) -> None:
    assert np.mean([has_form(image) for image in mnist.test.images.numpy()]) > 0.999


def on_page(image: Image.Image, width: int, height: int, left: int, top: int) -> Image.Image:
    """On a page of the image's own paper, of which nothing tells where the image ends."""
    page = Image.new("L", (width, height), image.getpixel((0, 0)))  # type: ignore[arg-type]  # of a grey picture: a number
    page.paste(image, (left, top))
    return page


EXACT: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "as it is": Image.fromarray,
    "inverted": lambda image: Image.fromarray(255 - image),
    "black border": lambda image: ImageOps.expand(Image.fromarray(image), 1, 0),
    "wide border, inverted": lambda image: ImageOps.expand(Image.fromarray(255 - image), 4, 255),
    "white border": lambda image: ImageOps.expand(Image.fromarray(image), 1, 255),
    "grey border": lambda image: ImageOps.expand(Image.fromarray(image), 3, 128),
    "x2 nearest": lambda image: enlarged(image, 2, NEAREST),
    "x10 nearest": lambda image: enlarged(image, 10, NEAREST),
    "x8.9 nearest, inverted": lambda image: enlarged(255 - image, 8.9, NEAREST),
    "x10 nearest with a border": lambda image: ImageOps.expand(enlarged(image, 10, NEAREST), 7, 0),
    "x10 nearest in a white frame": lambda image: ImageOps.expand(enlarged(image, 10, NEAREST), 20, 255),
    "x4 bilinear": lambda image: enlarged(image, 4, BILINEAR),
}


@pytest.mark.parametrize("kind", EXACT)
def test_image_in_the_form_is_given_as_it_is(kind: str, images: np.ndarray) -> None:
    for image in images:
        found = decode_file(file_of(EXACT[kind](image))).pixels
        assert np.abs(found.astype(int) - image).max() <= 1


NEARLY: dict[str, Callable[[np.ndarray], Image.Image]] = {
    "x10 bicubic": lambda image: enlarged(image, 10, BICUBIC),
    "x36.6 bicubic": lambda image: enlarged(image, 36.6, BICUBIC),
    "x10 bicubic, JPEG": lambda image: as_jpeg(enlarged(image, 10, BICUBIC)),
    "x4 bilinear, JPEG": lambda image: as_jpeg(enlarged(image, 4, BILINEAR)),
    "x10 nearest, JPEG, inverted": lambda image: as_jpeg(enlarged(255 - image, 10, NEAREST)),
    "border, then x4 bilinear": lambda image: ImageOps.expand(Image.fromarray(image), 1, 0).resize(
        (120, 120), BILINEAR
    ),
    "x13.2 nearest on a page, inverted": lambda image: on_page(enlarged(255 - image, 13.2, NEAREST), 540, 440, 143, 52),
    "x6 nearest on a page": lambda image: on_page(enlarged(image, 6, NEAREST), 300, 320, 20, 130),
    "x13.2 nearest on a large page": lambda image: on_page(enlarged(image, 13.2, NEAREST), 640, 480, 143, 52),
    "x10 by a kernel that is not tried": lambda image: enlarged(image, 10, Image.Resampling.LANCZOS),
}


@pytest.mark.parametrize("kind", NEARLY)
def test_enlargement_is_undone_to_a_few_levels(kind: str, images: np.ndarray) -> None:
    for image in images:
        found = in_form(levels(NEARLY[kind](image)))
        assert found is not None
        assert np.abs(found.astype(int) - image).mean() < 3


def test_background_is_black_whatever_line_is_mixed_with_its_edge() -> None:
    image = 30 + ring().astype(float) * 190 / 255
    shown = np.asarray(Image.fromarray(image.astype(np.uint8)).resize((280, 280), NEAREST)).copy()
    shown[[0, -1]] = shown[:, [0, -1]] = 27  # half of a plot's axes, as dark as its darkest colour
    found = in_form(shown)
    assert found is not None
    assert (found[ring() == 0] == 0).all()
    assert np.abs(found.astype(int) * (ring().max() / 255) - ring()).max() <= 2


def test_image_that_is_not_centred_is_normalised() -> None:
    moved = np.roll(ring(), (3, -2), axis=(0, 1))
    assert in_form(moved) is None
    found = decode_file(file_of(Image.fromarray(moved)))
    assert found.normalised
    for axis in (0, 1):
        assert abs(found.pixels.sum(axis=axis) @ np.arange(28) / found.pixels.sum() - 14) <= 0.5


@pytest.mark.parametrize("side", [26, 27, 28, 29, 30, 100, 280])
def test_photo_has_not_the_form_at_any_size(side: int) -> None:
    rows, columns = np.mgrid[: side * 4, : side * 4] / (side * 4)
    photo = (
        210
        - 30 * columns
        - 150 * (np.hypot(rows - 0.45, columns - 0.55) < 0.25) * (np.hypot(rows - 0.45, columns - 0.55) > 0.2)
    )
    assert in_form(levels(Image.fromarray(photo.astype(np.uint8)).resize((side, side), Image.Resampling.BOX))) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (28, 28), (20, 20), (21, 30), (300, 300), (2, 2)])
def test_hostile_pictures_have_not_the_form(size: tuple[int, int]) -> None:
    chance = np.random.default_rng(0)
    for level in (0, 128, 255):
        assert in_form(np.full(size, level, np.uint8)) is None
    for _ in range(20):
        assert in_form(chance.integers(0, 256, size, np.uint8)) is None
        found = in_form(np.where(chance.random(size) < 0.05, 255, 0).astype(np.uint8))
        assert found is None or found.shape == (28, 28)
