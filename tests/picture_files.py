"""Picture files as tests make them, whole ones and chunks of damaged ones."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image


def file_of(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """An image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ring() -> np.ndarray:
    """A zero in MNIST's form, uint8[28, 28], its grey levels as smooth as lossy formats like it."""
    rows, columns = np.mgrid[:28, :28] - 14.0
    from_ring = np.abs(np.hypot(rows, columns) - 7.5)
    return (255 * (1 - from_ring / 3).clip(0, 1)).astype(np.uint8)
