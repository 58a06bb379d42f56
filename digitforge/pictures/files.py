"""Picture files of more kinds than the server takes, made into what it takes: where they are, before they are sent.

The server decodes what strangers send, so it knows five formats and holds them to limits. Whoever has a file trusts it,
and opens here whatever Pillow does: TIFF, AVIF, scans of 35 megapixels, and HEIC with the extra `heic`.
"""

import io
from importlib.util import find_spec

import numpy as np
from PIL import Image, UnidentifiedImageError

from digitforge.pictures.errors import PictureError
from digitforge.pictures.images import looks_like_file
from digitforge.pictures.picture import turned
from digitforge.pictures.sizes import MAX_PIXELS, RAW_BYTES

LONGEST = 1024  # pixels a side of what a larger picture is reduced to: a digit on a page keeps more than it needs
SMALL_BYTES = 4 << 10  # of a file in a format of the server's that is not even looked into
LARGE_BYTES = 4 << 20  # of one that is made smaller
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def needs_no_look(data: bytes) -> bool:
    """Whether a picture goes as it is, by its first bytes and size: 784 raw pixels, or a small file of a known kind."""
    return len(data) <= SMALL_BYTES if looks_like_file(data) else len(data) == RAW_BYTES


def prepare_file(data: bytes) -> bytes:
    """A picture file as the server takes it.

    What is in one of the server's own formats, has no more pixels than it takes and no more than 4 MiB goes as it is,
    and so do 784 raw pixels. Any other is opened, turned as its camera was held, reduced to at most 1,024 pixels a side
    and made a PNG. Of several pages or frames the first is taken.

    Raises:
        PictureError: It is no picture, a damaged one, or HEIC where the extra `heic` is not installed.
    """
    if needs_no_look(data):
        return data
    is_known = looks_like_file(data)
    try:
        with _opened(data) as image:
            if is_known and image.width * image.height <= MAX_PIXELS and len(data) <= LARGE_BYTES:
                return data
            return _as_png(image)
    except UnidentifiedImageError as error:
        raise PictureError(f"{len(data)} bytes that are neither {RAW_BYTES} raw ones nor a picture file") from error
    except Image.DecompressionBombError as error:
        raise PictureError(str(error)) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise PictureError(f"a damaged file: {error}") from error


def _opened(data: bytes) -> Image.Image:
    if data[4:8] != b"ftyp" or data[8:12] not in HEIC_BRANDS:
        return Image.open(io.BytesIO(data))
    if find_spec("pillow_heif") is None:
        raise PictureError("a HEIC file, which needs the extra 'heic': pip install 'digitforge[heic]'")
    from pillow_heif import open_heif

    return open_heif(io.BytesIO(data)).to_pillow()  # turned already


def _as_png(image: Image.Image) -> bytes:
    image.draft("RGB", (LONGEST, LONGEST))
    image.load()
    picture = _of_eight_bits(image)
    if (times := -(-max(picture.size) // LONGEST)) > 1:
        picture = picture.reduce(times)  # by a whole number: what was enlarged from whole pixels keeps them
    picture = turned(picture, image).copy()
    picture.info.clear()  # the note, which has been followed, would be written again
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _of_eight_bits(image: Image.Image) -> Image.Image:
    """In a mode of 8 bits that can be reduced and is a PNG's; more bits are brought to 8 by their range."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode[0] not in "IF":
        return image.convert("RGBA" if "transparency" in image.info or "A" in image.getbands() else "RGB")
    levels = np.nan_to_num(np.asarray(image, np.float32))
    low, high = float(levels.min()), float(levels.max())
    return Image.fromarray(((levels - low) * (255 / max(high - low, 1e-9))).round().astype(np.uint8))
