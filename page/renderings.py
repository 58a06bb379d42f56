"""Digits as files: the same bytes for the same digits, always."""

import io

import numpy as np
from numpy.typing import NDArray

from digitforge import GeneratedDigits
from digitforge.pictures.png import encode_png


def enlarged(images: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """uint8[n, height, width] -> uint8[n, height * scale, width * scale], every pixel a square."""
    return images if scale == 1 else images.repeat(scale, axis=1).repeat(scale, axis=2)


def sheet(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Images side by side, row by row, without a gap.

    Args:
        images: uint8[n, height, width].
        columns: Images a row.

    Returns:
        uint8[rows * height, columns * width]; what the last row lacks is black.
    """
    count, height, width = images.shape
    rows = -(-count // columns)
    cells = np.zeros((rows * columns, height, width), np.uint8)
    cells[:count] = images
    return cells.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def png_sheet(images: NDArray[np.uint8], columns: int, scale: int) -> bytes:
    """A PNG file of the images; of a single one at scale 1, the file that the server itself gives."""
    return encode_png(sheet(enlarged(images, scale), min(columns, len(images))))


def npz(digits: GeneratedDigits, digest: str) -> bytes:
    """NumPy's arrays: images uint8[n, 28, 28], seed, offset, the model's digest and, where it has classes, digits."""
    arrays = {} if digits.classes is None else {"digits": digits.classes}
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, allow_pickle=False, images=digits.images, digest=np.str_(digest),
        seed=np.uint64(digits.seed), offset=np.uint64(digits.offset), **arrays,
    )  # fmt: skip
    return buffer.getvalue()
