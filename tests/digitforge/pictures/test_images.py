"""Images as people have them, to uint8[28, 28] and back."""

import io
import random
import struct

import numpy as np
import pytest
from PIL import Image

from digitforge.pictures.decoded import Found
from digitforge.pictures.errors import PictureError
from digitforge.pictures.images import contact_sheet, decode_file, decode_in_place, decode_raw, looks_like_file
from digitforge.pictures.png import encode_png
from tests.picture_files import chunk, file_of, ring

LOSSLESS = ["PNG", "BMP", "GIF"]
LOSSY = ["JPEG", "WEBP"]


@pytest.fixture
def pixels() -> np.ndarray:
    return ring()


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def test_raw_bytes_are_rows(pixels: np.ndarray) -> None:
    assert np.array_equal(decode_raw(pixels.tobytes()).pixels, pixels)


@pytest.mark.parametrize("length", [0, 1, 783, 785, 784 * 3])
def test_raw_image_of_another_length_is_refused_with_both_figures(length: int) -> None:
    with pytest.raises(PictureError, match=rf"^.*784 bytes, this has {length}$"):
        decode_raw(bytes(length))


@pytest.mark.parametrize("image_format", LOSSLESS)
def test_lossless_files_give_their_pixels(image_format: str, pixels: np.ndarray) -> None:
    data = file_of(Image.fromarray(pixels), image_format)
    assert looks_like_file(data)
    assert np.array_equal(decode_file(data).pixels, pixels)


@pytest.mark.parametrize(("image_format", "is_told"), [("TIFF", True), ("AVIF", True), ("PPM", False)])
def test_who_converts_a_file_is_told_of_what_is_converted(image_format: str, is_told: bool, pixels: np.ndarray) -> None:
    with pytest.raises(PictureError) as refused:
        decode_file(file_of(Image.fromarray(pixels), image_format))
    assert ("convert TIFF" in str(refused.value)) is is_told
    with pytest.raises(PictureError, match=r"or GIF file$"):
        decode_file(b"These are my notes.")


@pytest.mark.parametrize("image_format", LOSSY)
def test_lossy_files_give_their_pixels_nearly(image_format: str, pixels: np.ndarray) -> None:
    data = file_of(Image.fromarray(pixels), image_format, quality=95)
    assert looks_like_file(data)
    found = decode_file(data).pixels
    assert found.dtype == np.uint8
    assert found.shape == (28, 28)
    assert np.abs(found.astype(int) - pixels).max() <= 8


@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_nothing_lies_on_black(ink: int, pixels: np.ndarray) -> None:
    colour = np.full((28, 28), ink, np.uint8)
    image = Image.fromarray(np.dstack([colour, colour, colour, pixels]), "RGBA")
    assert np.abs(decode_file(file_of(image)).pixels.astype(int) - pixels).max() <= 1


def test_grey_ink_on_nothing_lies_on_black(pixels: np.ndarray) -> None:
    white = Image.new("L", (28, 28), 255)
    image = Image.merge("LA", (white, Image.fromarray(pixels)))
    assert np.abs(decode_file(file_of(image)).pixels.astype(int) - pixels).max() <= 1


def test_palette_is_looked_up(pixels: np.ndarray) -> None:
    image = Image.fromarray(255 - pixels).convert("P")
    image.putpalette([255 - level for level in range(256) for _ in range(3)])
    assert np.array_equal(decode_file(file_of(image)).pixels, pixels)


def test_transparent_entry_of_a_palette_lies_behind_the_ink(pixels: np.ndarray) -> None:
    ink = pixels > 64
    image = Image.fromarray(ink.astype(np.uint8)).convert("P")
    image.putpalette([255, 255, 255, 255, 255, 255])
    found = decode_file(file_of(image, transparency=0)).pixels
    assert np.array_equal(found, np.where(ink, 255, 0))


def test_sixteen_bits_are_scaled_to_eight(pixels: np.ndarray) -> None:
    image = Image.fromarray(pixels.astype(np.uint16) * 257)
    assert np.array_equal(decode_file(file_of(image)).pixels, pixels)


def test_one_bit_is_black_or_white(pixels: np.ndarray) -> None:
    found = decode_file(file_of(Image.fromarray(pixels > 100))).pixels
    assert np.array_equal(found, np.where(pixels > 100, 255, 0))


def test_colours_become_their_brightness(pixels: np.ndarray) -> None:
    image = Image.merge("RGB", [Image.fromarray(pixels)] * 3)
    image.putpixel((14, 14), (0, 255, 0))
    found = decode_file(file_of(image)).pixels
    assert 140 < found[14, 14] < 160  # ITU-R 601: green is 0.587 of brightness
    assert np.count_nonzero(found != pixels) == 1


def test_jpeg_may_come_in_as_many_scans_as_they_have_and_not_in_any_number() -> None:
    progressive = file_of(Image.new("RGB", (300, 200)), "JPEG", progressive=True)
    assert progressive.count(b"\xff\xda") > 2
    assert decode_file(progressive).normalised
    with pytest.raises(PictureError, match="a JPEG file of 101 scans, the limit is 100"):
        decode_file(b"\xff\xd8\xff" + b"\xff\xda" * 101)


def test_gif_beyond_the_limit_is_refused_before_there_is_room_for_it() -> None:
    screen, frame = (13_000).to_bytes(2, "little") * 2, bytes(4) + (13_000).to_bytes(2, "little") * 2
    gif = b"GIF89a" + screen + b"\x80\0\0" + bytes(6) + b"," + frame + b"\0\2\2\x4c\1\0;"
    with pytest.raises(PictureError, match=r"169000000 pixels\) is beyond the limit of 25000000"):  # Pillow's
        decode_file(gif)


@pytest.mark.parametrize("size", [(27, 28), (28, 29), (280, 280), (1, 1)])
@pytest.mark.parametrize("image_format", [*LOSSLESS, *LOSSY])
def test_image_of_another_size_is_normalised_and_says_so(size: tuple[int, int], image_format: str) -> None:
    found = decode_file(file_of(Image.new("L", size), image_format))
    assert found.normalised
    assert found.pixels.shape == (28, 28)
    assert found.pixels.dtype == np.uint8


@pytest.mark.parametrize("image_format", LOSSLESS)
def test_image_in_the_form_is_not_normalised(image_format: str, pixels: np.ndarray) -> None:
    assert not decode_file(file_of(Image.fromarray(pixels), image_format)).normalised
    assert not decode_raw(pixels.tobytes()).normalised


def test_size_of_28x28_alone_is_no_form() -> None:
    photo = Image.new("L", (28, 28), 200)
    photo.paste(60, (8, 10, 11, 20))
    found = decode_file(file_of(photo))
    assert found.normalised
    assert np.ptp(np.flatnonzero((found.pixels > 100).any(axis=1))) + 1 in (19, 20)


def test_raw_pixels_are_nothing_only_where_all_are_black(pixels: np.ndarray) -> None:
    assert decode_raw(bytes(784)).found == Found.NOTHING
    assert decode_raw(bytes(783) + b"\1").found == Found.ONE
    assert decode_raw(pixels.tobytes()).found == Found.ONE


def test_image_in_the_form_is_decoded_in_place_and_no_other(pixels: np.ndarray) -> None:
    for levels in (pixels, 255 - pixels):
        data = encode_png(levels)
        in_place = decode_in_place(data)
        assert in_place is not None
        assert np.array_equal(in_place.pixels, pixels)
        assert in_place.normalised == (levels is not pixels)
        assert np.array_equal(decode_file(data).pixels, pixels)
    assert decode_in_place(encode_png(pixels[4:24, 4:24])) is None  # of another size
    assert decode_in_place(encode_png(np.full((28, 28), 255, np.uint8))) is None
    assert decode_in_place(file_of(Image.fromarray(pixels), "JPEG")) is None


@pytest.mark.parametrize("side", [6_000, 10_000, 100_000, 2**31 - 1])  # Pillow refuses the last two by itself
def test_image_beyond_the_limit_is_refused_by_its_header_alone(side: int) -> None:
    # No pixel data at all: a decoder that got as far as the pixels would complain of their absence.
    with pytest.raises(PictureError, match=rf"^.*{side * side}.* limit .*25000000"):
        decode_file(png_header(side, side) + chunk(b"IDAT", b""))


def test_image_at_the_limit_is_taken_and_one_beyond_it_is_refused() -> None:
    data = file_of(Image.new("L", (50, 20)))
    assert decode_file(data, max_pixels=1000).normalised
    with pytest.raises(PictureError, match=r"^50x20 = 1000 pixels, the limit is 999;"):
        decode_file(data, max_pixels=999)


@pytest.mark.parametrize("data", [b"", b"hello", bytes(785), b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"BM", b"RIFF1234WEBP"])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match=rf"^{len(data)} bytes that are neither"):
        decode_file(data)


def test_formats_beyond_the_five_are_refused() -> None:
    for image_format in ("TIFF", "PPM", "ICO"):
        with pytest.raises(PictureError):
            decode_file(file_of(Image.new("L", (28, 28)), image_format))


def test_truncated_png_is_refused() -> None:
    data = encode_png(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8))
    with pytest.raises(PictureError, match=r"^a damaged file"):
        decode_file(data[: len(data) // 2])


@pytest.mark.parametrize("image_format", [*LOSSLESS, *LOSSY])
def test_damaged_file_is_an_image_or_refused_and_nothing_else(image_format: str, pixels: np.ndarray) -> None:
    chance = random.Random(0)
    whole = file_of(Image.fromarray(pixels), image_format)
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(min(len(data), 100))] = chance.randrange(256)
        damaged.append(bytes(data))
    refused = 0
    for file in damaged:
        try:
            found = decode_file(file).pixels
        except PictureError:
            refused += 1
        else:
            assert found.dtype == np.uint8
            assert found.shape == (28, 28)
    assert refused


def test_raw_image_of_a_digit_does_not_look_like_a_file() -> None:
    assert not looks_like_file(bytes(784))
    assert not looks_like_file(b"BM" + bytes(782))  # two dark grey pixels
    assert not looks_like_file(b"RIFF" + bytes(780))
    assert not looks_like_file(b"")


def test_png_gives_back_what_was_put_in(pixels: np.ndarray) -> None:
    data = encode_png(pixels)
    assert np.array_equal(decode_file(data).pixels, pixels)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode) == ("PNG", "L")


def test_contact_sheet_puts_images_in_rows_of_equal_steps() -> None:
    images = [np.full((28, 28), 100 + index, np.uint8) for index in range(7)]
    sheet = np.asarray(contact_sheet(images, columns=3, scale=2, gap=4))
    assert sheet.shape == (3 * (56 + 4) + 4, 3 * (56 + 4) + 4)
    for index in range(7):
        top, left = 4 + 60 * (index // 3), 4 + 60 * (index % 3)
        assert (sheet[top : top + 56, left : left + 56] == 100 + index).all()
    assert np.count_nonzero(sheet >= 100) == 7 * 56 * 56  # and gaps beside them


def test_contact_sheet_of_few_images_is_no_wider_than_they_are() -> None:
    sheet = contact_sheet([np.zeros((28, 28), np.uint8)] * 2, columns=10, scale=1, gap=2)
    assert sheet.size == (62, 32)
