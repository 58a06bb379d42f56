"""Ink and paper that differ in their colour, not in their brightness."""

import numpy as np
import pytest
from PIL import Image

from digitforge.pictures.colour import grey_of
from digitforge.pictures.images import decode_file
from tests.digitforge.pictures.test_normalisation import difference, drawn, picture
from tests.picture_files import file_of

EQUALLY_BRIGHT = {
    "red on green": ((200, 60, 60), (30, 132, 60)),
    "blue on grey": ((60, 80, 200), (88, 88, 88)),
    "grey on blue": ((88, 88, 88), (60, 80, 200)),
    "orange on green": ((230, 100, 30), (90, 150, 90)),
    "yellow on white": ((255, 240, 40), (240, 240, 240)),
}


def coloured(ink: tuple[int, ...], paper: tuple[int, ...], noise: float = 0) -> Image.Image:
    share = drawn()[..., np.newaxis]
    pixels = np.array(paper) + (np.array(ink) - paper) * share
    pixels = pixels * np.linspace(1, 0.7, pixels.shape[1])[:, np.newaxis]  # light from the left
    pixels += np.random.default_rng(0).normal(0, noise, pixels.shape[:2])[..., np.newaxis]
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


@pytest.mark.parametrize("colours", EQUALLY_BRIGHT)
@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_ink_as_bright_as_its_paper_is_seen_by_its_colour(colours: str, image_format: str) -> None:
    image = coloured(*EQUALLY_BRIGHT[colours], noise=4)
    found = decode_file(file_of(image, image_format)).pixels
    assert difference(found, decode_file(file_of(picture(drawn()))).pixels) < 0.25


def test_opaque_picture_with_transparency_is_seen_by_its_colour() -> None:
    image = coloured(*EQUALLY_BRIGHT["red on green"]).convert("RGBA")
    assert difference(decode_file(file_of(image)).pixels, decode_file(file_of(picture(drawn()))).pixels) < 0.25


@pytest.mark.parametrize("ink", [(25, 25, 30), (30, 45, 130), (150, 30, 40), (20, 90, 60)])
def test_brightness_is_taken_where_it_tells(ink: tuple[int, ...]) -> None:
    image = coloured(ink, (235, 230, 220), noise=4)
    assert np.array_equal(np.asarray(grey_of(image)), np.asarray(image.convert("L")))


def test_coloured_light_on_grey_paper_is_no_ink() -> None:
    rows, columns = np.mgrid[0:1:200j, 0:1:300j]
    light = np.stack([200 - 40 * rows, 190 - 30 * columns, 150 + 30 * rows], axis=-1)
    image = Image.fromarray((light + np.random.default_rng(0).normal(0, 3, light.shape)).astype(np.uint8))
    assert np.array_equal(np.asarray(grey_of(image)), np.asarray(image.convert("L")))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 2), (28, 28)])
def test_any_size_and_one_colour_alone_are_no_error(size: tuple[int, int]) -> None:
    assert grey_of(Image.new("RGB", size, (200, 30, 30))).size == size
