"""Picture files as tests make them, whole ones and chunks of damaged ones."""

import io
import struct
import zlib
from typing import Any

from PIL import Image


def file_of(image: Image.Image, image_format: str = "PNG", **options: Any) -> bytes:
    """An image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
