"""Between images as people have them and uint8[28, 28], white ink on black."""

import io
import warnings
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from serving.errors import InvalidArgumentError

SIDE = 28
RAW_BYTES = SIDE * SIDE
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
FIELD = "image"


def decode_raw(data: bytes) -> NDArray[np.uint8]:
    """784 bytes, row by row -> uint8[28, 28].

    Raises:
        InvalidArgumentError: It is not 784 bytes.
    """
    if len(data) != RAW_BYTES:
        raise InvalidArgumentError(FIELD, f"a raw image has {SIDE}x{SIDE} = {RAW_BYTES} bytes, this has {len(data)}")
    return np.frombuffer(data, np.uint8).reshape(SIDE, SIDE)


def decode_file(data: bytes) -> NDArray[np.uint8]:
    """A PNG, JPEG, WebP, BMP or GIF file of 28x28 pixels -> uint8[28, 28]; transparency lies on black.

    Raises:
        InvalidArgumentError: It is no such file, damaged, or of another size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked before decoding
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise InvalidArgumentError(
            FIELD, f"{len(data)} bytes that are neither {RAW_BYTES} raw ones nor a PNG, JPEG, WebP, BMP or GIF file"
        ) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidArgumentError(FIELD, f"cannot be read: {error}") from error
    if image.size != (SIDE, SIDE):
        raise InvalidArgumentError(
            FIELD, f"an image must be {SIDE}x{SIDE} pixels, this is {image.width}x{image.height}"
        )
    try:
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidArgumentError(FIELD, f"a damaged file: {error}") from error
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip instead of scale
        return (np.asarray(image, np.uint32) >> 8).clip(0, 255).astype(np.uint8)
    if "A" in image.getbands() or "transparency" in image.info:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.asarray(image.convert("L"))


def looks_like_file(data: bytes) -> bool:
    """Whether the first bytes are those of an image file, rather than of 784 raw pixels."""
    if data.startswith(b"BM"):  # two dark grey pixels would do as well: a BMP file also tells its size
        return len(data) != RAW_BYTES or int.from_bytes(data[2:6], "little") == len(data)
    return data.startswith(SIGNATURES) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")


def contact_sheet(images: Iterable[NDArray[np.uint8]], columns: int, scale: int, gap: int = 2) -> Image.Image:
    """Images uint8[28, 28] side by side, row by row, each enlarged `scale` times, on dark grey."""
    pictures = list(images)
    rows = -(-len(pictures) // columns)
    step = SIDE * scale + gap
    sheet = Image.new("L", (min(columns, len(pictures)) * step + gap, rows * step + gap), 48)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        enlarged = Image.fromarray(picture).resize((SIDE * scale, SIDE * scale), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (gap + column * step, gap + row * step))
    return sheet
