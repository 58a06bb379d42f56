"""PNG files of small grey images, as fast as they can be had.

A PNG of one such image is a fixed header, the pixels deflated, and two checksums, so the file is put together here and
only the compression is a library's: zlib-ng at its fastest level. docs/benchmarks.md has what others take.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FASTEST = 1
GREY_8_BIT = (8, 0, 0, 0, 0)  # bit depth, colour type, compression, filter method, no interlace


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """uint8[height, width] -> an 8-bit grey PNG file."""
    return encode_pngs(image[np.newaxis])[0]


def encode_pngs(images: NDArray[np.uint8]) -> Sequence[bytes]:
    """uint8[n, height, width] -> an 8-bit grey PNG file each."""
    count, height, width = images.shape
    head = SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *GREY_8_BIT))
    end = _chunk(b"IEND", b"")
    # A byte before each row names its filter; 0 is none.
    rows = np.zeros((count, height, width + 1), np.uint8)
    rows[:, :, 1:] = images
    return [head + _chunk(b"IDAT", zlib_ng.compress(pixels, FASTEST)) + end for pixels in rows]


def _chunk(kind: bytes, body: bytes) -> bytes:
    named = kind + body
    return len(body).to_bytes(4, "big") + named + zlib_ng.crc32(named).to_bytes(4, "big")
