"""What stands before a picture's pixels: what is taken, what is refused, and in how many steps."""

import struct
import sys
import zlib
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from digitforge.pictures import header
from digitforge.pictures.errors import PictureError
from digitforge.pictures.header import check_header, is_plain
from digitforge.pictures.images import decode_file, decode_in_place
from digitforge.pictures.png import encode_png
from tests.picture_files import chunk, file_of

PIXELS = np.arange(784, dtype=np.uint8).reshape(28, 28)
MEGABYTE = 1 << 20
HEADER_LINES = 20_000  # of Python, each some 0.1 microseconds: with room to spare under 5 ms
PLAIN_LINES = 5_000


def png(before: bytes = b"", after: bytes = b"", side: int = 28, pixels: bytes | None = None) -> bytes:
    """A black picture, with chunks before and after its pixels."""
    ihdr = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    if pixels is None:
        pixels = chunk(b"IDAT", zlib.compress(bytes((side + 1) * side)))
    return header.PNG + ihdr + before + pixels + after + chunk(b"IEND")


def jpeg(before: bytes = b"") -> bytes:
    data = file_of(Image.fromarray(PIXELS), "JPEG")
    first = 20  # the signature and JFIF's own segment
    return data[:first] + before + data[first:]


def gif(before: bytes = b"") -> bytes:
    data = file_of(Image.fromarray(PIXELS), "GIF")
    start = 13 + 3 * 256  # the screen and its colours
    return data[:start] + before + data[start:]


def webp(before: bytes = b"") -> bytes:
    data = file_of(Image.fromarray(PIXELS), "WEBP")
    return data[:12] + before + data[12:]


def run_length_bmp(size: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, 28, 28, 1, 8, 1, 0, 0, 0, 256, 0)
    return (b"BM" + struct.pack("<IHHI", size, 0, 0, 1078) + head).ljust(size, b"\0")


def segment(marker: int, body: bytes = b"") -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


TOO_MUCH: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty chunks": (lambda: png(chunk(b"abCd") * 1024), "a PNG file of more than 1024 parts"),
    "texts": (lambda: png(chunk(b"tEXt", b"k\0v") * 1024), "a PNG file of more than 1024 parts"),
    "compressed texts": (lambda: png(chunk(b"zTXt", b"k\0\0x") * 17), "a PNG file of more than 16 compressed"),
    "a large chunk": (lambda: png(chunk(b"abCd", bytes(4 << 20))), r"a PNG file of \d+ bytes or more .* 4194304$"),
    "empty segments": (lambda: jpeg(segment(0xE5) * 1025), "a JPEG file of more than 1024 parts"),
    "exif": (lambda: jpeg(segment(0xE1, b"Exif\0\0a") * 1025), "a JPEG file of more than 1024 parts"),
    "bare markers": (lambda: jpeg(b"\xff\xd0" * 1025), "a JPEG file of more than 1024 parts"),
    "large segments": (lambda: jpeg(segment(0xE2, bytes(65_000)) * 65), r"a JPEG file of \d+ bytes or more"),
    "filling": (lambda: jpeg(b"\xff" * 1024), "a JPEG file with 1024 bytes or more between two parts"),
    "junk": (lambda: jpeg(b"x" * 1024), "a JPEG file with 1024 bytes or more between two parts"),
    "comments": (lambda: gif(b"!\xfe\1a\0" * 513), "a GIF file of more than 1024 parts"),
    "one comment": (lambda: gif(b"!\xfe" + b"\1a" * 1025 + b"\0"), "a GIF file of more than 1024 parts"),
    "zeros": (lambda: gif(bytes(1024)), "a GIF file with 1024 bytes or more between two parts"),
    "riff chunks": (lambda: webp(b"ABCD\0\0\0\0" * 1025), "a WebP file of more than 1024 parts"),
    "run lengths": (lambda: run_length_bmp(MEGABYTE + 1), "BMP file of 1048577 bytes, the limit is 1048576"),
}

ENOUGH: dict[str, Callable[[], bytes]] = {
    "chunks": lambda: png(chunk(b"abCd") * 1023),
    "compressed texts": lambda: png(chunk(b"zTXt", b"k\0\0x") * 16),
    "segments": lambda: jpeg(segment(0xE5) * 1000),
    "large segments": lambda: jpeg(segment(0xE2, bytes(65_000)) * 64),
    "filling": lambda: jpeg(b"\xff" * 1000),
    "junk": lambda: jpeg(b"x" * 1000),
    "one comment": lambda: gif(b"!\xfe" + b"\1a" * 1023 + b"\0"),
    "zeros": lambda: gif(bytes(1000)),
    "riff chunks": lambda: webp(b"ABCD\0\0\0\0" * 1024),
    "run lengths": lambda: run_length_bmp(MEGABYTE),
}


@pytest.mark.parametrize(("data", "message"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_more_than_a_limit_is_refused_with_the_limit(data: Callable[[], bytes], message: str) -> None:
    for look in (check_header, decode_file):
        with pytest.raises(PictureError, match=message):
            look(data())


@pytest.mark.parametrize("data", ENOUGH.values(), ids=ENOUGH)
def test_as_much_as_a_limit_is_taken(data: Callable[[], bytes]) -> None:
    check_header(data())


def test_what_cameras_and_editors_write_is_taken() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    texts = PngInfo()
    texts.add_text("Software", "a" * 10_000, zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "b" * 10_000, zip=True)
    image = Image.new("RGB", (60, 40), (200, 10, 30))
    files: dict[str, dict[str, Any]] = {
        "JPEG": {"progressive": True, "icc_profile": profile * 100, "exif": exif, "comment": b"c" * 1000},
        "PNG": {"icc_profile": profile, "exif": exif, "pnginfo": texts},
        "WEBP": {"icc_profile": profile, "exif": exif, "xmp": b"x" * 1000},
        "GIF": {"save_all": True, "append_images": [image.rotate(9)], "loop": 0, "comment": b"c" * 10_000},
        "BMP": {},
    }
    for image_format, options in files.items():
        assert decode_file(file_of(image, image_format, **options)).normalised


@pytest.mark.parametrize("data", [b"", b"BM", b"RIFF", b"GIF89a", b"\xff\xd8\xff", header.PNG, jpeg()[:30], gif()[:12]])
def test_damage_is_left_to_the_decoder(data: bytes) -> None:
    check_header(data)


def test_what_this_project_and_pillow_write_is_plain() -> None:
    assert is_plain(encode_png(PIXELS))
    grey = Image.fromarray(PIXELS)
    for mode in ("L", "LA", "RGB", "RGBA", "P", "1", "I;16"):
        assert is_plain(file_of(grey.convert(mode), "PNG"))
    assert is_plain(png(chunk(b"gAMA", bytes(4)) + chunk(b"pHYs", bytes(9)), chunk(b"tEXt", b"Software\0x")))


@pytest.mark.parametrize(
    "data",
    [
        png(side=29),
        png(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(MEGABYTE)))),
        png(chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(MEGABYTE)))),
        png(after=chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(MEGABYTE)))),
        png(chunk(b"IHDR", struct.pack(">IIBBBBB", 5000, 5000, 8, 0, 0, 0, 0))),
        png(chunk(b"acTL", bytes(8))),
        png(chunk(b"tEXt", b"k\0v") * 32),
        png(chunk(b"tEXt", bytes(16 << 10))),
        png()[:-1],
        png()[:-12],
        jpeg(),
        gif(),
        webp(),
        b"",
    ],
    ids=lambda data: data[:60].hex()[-16:],
)
def test_all_else_is_not_plain(data: bytes) -> None:
    assert not is_plain(data)


def lines_of_python(work: Callable[[], object]) -> int:
    """How many lines run, in this project's code and in that of others."""
    lines = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except PictureError:
        pass
    finally:
        sys.settrace(before)
    return lines


def as_many_as_fit(part: bytes, build: Callable[[bytes], bytes]) -> bytes:
    return build(part * ((MEGABYTE - 2000) // len(part)))


EXPENSIVE = {
    "chunks": as_many_as_fit(chunk(b"abCd"), png),
    "chunks after": as_many_as_fit(chunk(b"abCd"), lambda parts: png(after=parts)),
    "texts": as_many_as_fit(chunk(b"tEXt", b"k\0v"), png),
    "compressed texts": as_many_as_fit(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(MEGABYTE), 9)), png),
    "parts of pixels": as_many_as_fit(chunk(b"IDAT"), lambda parts: png(pixels=parts)),
    "segments": as_many_as_fit(segment(0xE5), jpeg),
    "exif": as_many_as_fit(segment(0xE1, b"Exif\0\0a"), jpeg),
    "profiles": as_many_as_fit(segment(0xE2, b"ICC_PROFILE\0\1\1a"), jpeg),
    "bare markers": as_many_as_fit(b"\xff\xd0", jpeg),
    "filling": as_many_as_fit(b"\xff", jpeg),
    "junk": as_many_as_fit(b"x", jpeg),
    "junk and parts": as_many_as_fit(b"x" * 1000 + segment(0xE5), jpeg),
    "comments": as_many_as_fit(b"!\xfe\1a\0", gif),
    "one comment": gif(b"!\xfe" + b"\1a" * (MEGABYTE // 2 - 2000) + b"\0"),
    "zeros": as_many_as_fit(b"\0", gif),
    "riff chunks": as_many_as_fit(b"ABCD\0\0\0\0", webp),
    "run lengths": run_length_bmp(MEGABYTE),
}


@pytest.mark.parametrize("data", EXPENSIVE.values(), ids=EXPENSIVE)
def test_no_header_of_a_megabyte_costs_many_steps(data: bytes) -> None:
    assert not is_plain(data)
    assert 0 < lines_of_python(lambda: is_plain(data)) + lines_of_python(lambda: check_header(data)) < HEADER_LINES


@pytest.mark.parametrize(
    "data",
    [
        png(chunk(b"tEXt", b"k\0v") * 29),
        png(after=chunk(b"tEXt", b"k\0v") * 29),
        png(pixels=chunk(b"IDAT") * 29 + chunk(b"IDAT", zlib.compress(bytes(29 * 28)))),
        png(pixels=chunk(b"IDAT", zlib.compress(bytes(15 * MEGABYTE), 9))),
        png(chunk(b"PLTE", bytes(768)) * 20 + chunk(b"tRNS", bytes(256))),
        file_of(Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28, 4), np.uint8), "RGBA"), "PNG"),
    ],
    ids=["texts", "texts after", "parts of pixels", "more than the pixels", "palettes", "noise"],
)
def test_what_is_plain_is_decoded_in_few_steps(data: bytes) -> None:
    decode_in_place(png())  # the first one loads Pillow's plugins
    assert is_plain(data)
    assert 0 < lines_of_python(lambda: decode_in_place(data)) < PLAIN_LINES
