"""An image file's pixels as one grey picture, upright: what a person sees who opens the file."""

from contextlib import suppress

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile

from digitforge.pictures.colour import grey_of

ENOUGH = 1024  # pixels a side: a JPEG of more is decoded at a half, a quarter or an eighth of its size, which is fast
PAPER_SHARE = 0.5  # of the pixels: where more are opaque, the paper is among them
OPAQUE = 128
# What makes a picture upright, by the number of EXIF 2.32, section 4.6.4, tag 0x0112.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_grey(image: Image.Image) -> Image.Image:
    """Decode a picture.

    Transparency is filled such that ink is seen: with the opaque part's own paper where that is most of the picture,
    else with what contrasts with the ink, white or black. The camera's note on how it was held (EXIF) is followed.

    Args:
        image: Opened, not yet loaded.

    Returns:
        In mode L, 8 bits.

    Raises:
        OSError, ValueError, SyntaxError: The file is damaged.
    """
    image.draft("RGB", (ENOUGH, ENOUGH))  # type: ignore[no-untyped-call]
    image.load()
    if image.mode == "L" and not image.info and isinstance(image, PngImageFile):  # nothing but its pixels
        return image
    return turned(_grey(image), image)


def turned(picture: Image.Image, image: Image.Image) -> Image.Image:
    """A picture as its camera was held, by the note (EXIF) in the image that it is made from."""
    with suppress(Exception):  # a damaged note, on which Pillow raises whatever it stumbles upon, is no note
        if (turn := TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))) is not None:
            return picture.transpose(turn)
    return picture


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip instead of scale
        return Image.fromarray((np.asarray(image, np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("L") if image.mode in ("L", "1") else grey_of(image.convert("RGB"))
    image = image.convert("RGBA")
    alpha = image.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return grey_of(image.convert("RGB"))
    levels, weights = np.asarray(image.convert("L")), np.asarray(alpha)
    opaque = levels[weights >= OPAQUE]
    if opaque.size > PAPER_SHARE * levels.size:
        filling = int(np.median(opaque))
    else:
        filling = 255 if opaque.size == 0 or opaque.mean() < 128 else 0
    return Image.composite(image.convert("L"), Image.new("L", image.size, filling), alpha)
