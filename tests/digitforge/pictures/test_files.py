"""Files that the server does not take, made into such as it takes."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitforge.pictures import files
from digitforge.pictures.errors import PictureError
from digitforge.pictures.files import LONGEST, prepare_file
from digitforge.pictures.images import decode_file, open_file
from tests.picture_files import file_of, ring


def photo(width: int = 400, height: int = 300) -> Image.Image:
    """A dark seven on light paper."""
    image = Image.new("RGB", (width, height), (230, 225, 210))
    place = [(width * x // 400, height * y // 300) for x, y in ((150, 80), (230, 80), (170, 220))]
    ImageDraw.Draw(image).line(place, fill=(30, 40, 90), width=14 * width // 400, joint="curve")
    return image


def heic(image: Image.Image) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90)
    return buffer.getvalue()


def difference(one: bytes, other: bytes) -> float:
    expected = decode_file(other).pixels.astype(float)
    return float(np.abs(decode_file(one).pixels - expected).mean() / expected.mean())


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_what_the_server_takes_goes_as_it_is(image_format: str) -> None:
    for image in (photo(), photo(800, 600)):
        data = file_of(image, image_format)
        assert prepare_file(data) is data
    assert prepare_file(bytes(784)) == bytes(784)


@pytest.mark.parametrize("image_format", ["TIFF", "AVIF", "PPM", "TGA"])
def test_other_formats_become_one_that_the_server_takes(image_format: str) -> None:
    data = file_of(photo(), image_format)
    with pytest.raises(PictureError, match="neither 784 raw ones nor a PNG"):
        open_file(data)
    assert difference(prepare_file(data), file_of(photo())) < 0.12


def test_heic_becomes_one_that_the_server_takes() -> None:
    assert difference(prepare_file(heic(photo())), file_of(photo())) < 0.08


def test_heic_without_its_extra_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda _name: None)
    with pytest.raises(PictureError, match=r"digitforge\[heic\]"):
        prepare_file(b"\0\0\0\x18ftypheic" + bytes(100))


def test_scan_of_35_megapixels_is_reduced() -> None:
    data = file_of(photo(6840, 5130).convert("L"), "PNG")
    with pytest.raises(PictureError, match="35089200 pixels, the limit is"):
        open_file(data)
    prepared = prepare_file(data)
    assert max(open_file(prepared).size) <= LONGEST
    assert difference(prepared, file_of(photo())) < 0.1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"])
def test_tiff_of_any_mode_is_taken(mode: str) -> None:
    image = photo()
    if mode in ("I", "F", "I;16"):
        levels = np.asarray(image.convert("L"), np.float32) * 257
        image = Image.fromarray(levels.astype({"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]))
    else:
        image = image.convert("RGBA").convert(mode) if "A" in mode and mode != "LAB" else to_mode(image, mode)
    try:
        data = file_of(image, "TIFF")
    except OSError:
        pytest.skip(f"Pillow writes no TIFF of {mode}")
    assert difference(prepare_file(data), file_of(photo())) < 0.15


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "P":
        return image.quantize()
    if mode == "1":
        return image.convert("1", dither=Image.Dither.NONE)
    if mode != "LAB":
        return image.convert(mode)
    from PIL import ImageCms

    transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


@pytest.mark.parametrize("orientation", range(1, 9))
def test_note_on_how_the_camera_was_held_is_followed(orientation: int) -> None:
    def held(image_format: str) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = orientation
        return file_of(photo(), image_format, exif=exif, quality=95)

    for image_format in ("TIFF", "AVIF"):
        assert difference(prepare_file(held(image_format)), held("JPEG")) < 0.15


@pytest.mark.parametrize("times", [50, 100])
def test_enlarged_image_survives(times: int) -> None:
    enlarged = Image.fromarray(ring()).resize((28 * times, 28 * times), Image.Resampling.NEAREST)
    found = decode_file(prepare_file(file_of(enlarged, "TIFF")))
    assert np.abs(found.pixels.astype(int) - ring()).max() <= 1


@pytest.mark.parametrize("data", [b"", b"hello", bytes(785), b"%PDF-1.7", b"II*\0" + bytes(100), b"\0\0\0\x18ftypavif"])
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        prepare_file(data)


def test_damaged_tiff_is_refused() -> None:
    data = file_of(photo(), "TIFF")
    with pytest.raises(PictureError, match=r"^a damaged file"):
        prepare_file(data[: len(data) // 2] + bytes(10))
