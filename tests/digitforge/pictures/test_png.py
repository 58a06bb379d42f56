"""PNG files of our own making, read by a library."""

import io

import numpy as np
import pytest
from PIL import Image

from digitforge.pictures.png import encode_png, encode_pngs


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (3, 50), (300, 2)])
@pytest.mark.parametrize("kind", ["noise", "black", "white"])
def test_file_holds_the_pixels_and_is_whole(shape: tuple[int, int], kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pixels = {"noise": noise, "black": np.zeros_like(noise), "white": np.full_like(noise, 255)}[kind]
    file = encode_png(pixels)
    Image.open(io.BytesIO(file)).verify()  # the checksums and the end
    image = Image.open(io.BytesIO(file))
    assert (image.format, image.mode, image.size) == ("PNG", "L", shape[::-1])
    assert np.array_equal(np.asarray(image), pixels)


def test_many_are_encoded_like_each_alone() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 28, 28), np.uint8)
    assert encode_pngs(pixels) == [encode_png(image) for image in pixels]


def test_digit_becomes_smaller_than_its_pixels() -> None:
    drawing = np.zeros((28, 28), np.uint8)
    drawing[5:23, 12:16] = 200
    assert len(encode_png(drawing)) < drawing.size / 3
