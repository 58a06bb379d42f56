"""Between images as people have them and uint8[28, 28], white ink on black."""

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

from digitforge.pictures.decoded import Decoded, Found
from digitforge.pictures.errors import PictureError
from digitforge.pictures.header import GIFS, JPEG, PNG, check_header, is_plain
from digitforge.pictures.normalisation import at_once, normalise
from digitforge.pictures.picture import upright_grey
from digitforge.pictures.sizes import MAX_PIXELS, RAW_BYTES, SIDE

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
SIGNATURES = (PNG, JPEG, *GIFS)
TIFFS = (b"II*\0", b"MM\0*")
CONVERTED = "; digitforge score and the Python client convert TIFF, AVIF and, with the extra 'heic', HEIC"
MOST_SCANS = 100  # of a JPEG: a progressive one has about ten, and each takes its time whatever it holds
START_OF_SCAN = b"\xff\xda"  # nowhere else in a JPEG's data but in a thumbnail, which has a few


def load_formats() -> None:
    """Load the decoders, which is otherwise done at the first picture."""
    Image.init()


def decode_raw(data: bytes) -> Decoded:
    """784 bytes, row by row, as they are.

    Raises:
        PictureError: It is not 784 bytes.
    """
    if len(data) != RAW_BYTES:
        raise PictureError(f"a raw image has {SIDE}x{SIDE} = {RAW_BYTES} bytes, this has {len(data)}")
    pixels = np.frombuffer(data, np.uint8).reshape(SIDE, SIDE)
    return Decoded(pixels, normalised=False, found=Found.ONE if pixels.any() else Found.NOTHING)


def decode_file(data: bytes, max_pixels: int = MAX_PIXELS) -> Decoded:
    """A PNG, JPEG, WebP, BMP or GIF file.

    It is brought to MNIST's form where it does not have it: see `digitforge.pictures.normalisation`. Of an animation
    the first frame is taken.

    Args:
        data: The file.
        max_pixels: The limit on width times height, which is checked before a pixel is decoded.

    Raises:
        PictureError: It is no such file, damaged, or has more pixels.
    """
    return decode(open_file(data, max_pixels))


def decode_in_place(data: bytes, max_pixels: int = MAX_PIXELS) -> Decoded | None:
    """A file that takes no time: a small and simple PNG of an image that has MNIST's form. None for all others.

    Raises:
        PictureError: It is small and simple, and damaged.
    """
    if not is_plain(data):
        return None
    try:
        image: ImageFile = PngImageFile(io.BytesIO(data))  # as Pillow does after trying out formats
    except (OSError, ValueError, SyntaxError):
        image = open_file(data, max_pixels)  # which says what it is
    return at_once(_upright(image))


def open_file(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageFile:
    """Read a file's header, and no pixel yet.

    Raises:
        PictureError: It is no PNG, JPEG, WebP, BMP or GIF file, has more pixels, or too much before them.
    """
    check_header(data)
    if data.startswith(JPEG) and (scans := data.count(START_OF_SCAN)) > MOST_SCANS:
        raise PictureError(f"a JPEG file of {scans} scans, the limit is {MOST_SCANS}")
    try:
        with _no_room_for_bombs(data, max_pixels):
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        is_convertible = data.startswith(TIFFS) or data[4:8] == b"ftyp"
        raise PictureError(
            f"{len(data)} bytes that are neither {RAW_BYTES} raw ones nor a PNG, JPEG, WebP, BMP or GIF file"
            + CONVERTED * is_convertible
        ) from error
    except Image.DecompressionBombError as error:  # so many that Pillow itself does not go on
        size = str(error).partition(" exceeds")[0]
        raise PictureError(f"{size} is beyond the limit of {max_pixels} pixels") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"cannot be read: {error}") from error
    if (pixels := image.width * image.height) > max_pixels:
        raise PictureError(
            f"{image.width}x{image.height} = {pixels} pixels, the limit is {max_pixels}; "
            "send a smaller picture, as digitforge score and the Python client do"
        )
    return image


@contextmanager
def _no_room_for_bombs(data: bytes, max_pixels: int) -> Iterator[None]:
    """Have Pillow itself refuse a GIF file of more pixels: it makes room for the first frame with the header."""
    before = Image.MAX_IMAGE_PIXELS
    if data.startswith(b"GIF"):
        Image.MAX_IMAGE_PIXELS = -(-max_pixels // 2)  # it warns beyond, and refuses beyond twice as many
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def decode(image: ImageFile) -> Decoded:
    """The pixels of an opened file. It is some milliseconds of work, or many.

    Raises:
        PictureError: The file is damaged.
    """
    return normalise(_upright(image))


def _upright(image: ImageFile) -> Image.Image:
    try:
        return upright_grey(image)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise PictureError(f"a damaged file: {error}") from error


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
