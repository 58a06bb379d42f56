"""What stands before a picture's pixels, looked through in a bounded number of steps.

Pillow reads headers in Python, piece by piece, so a file of a million empty pieces costs minutes. Here they are counted
before Pillow sees the file: most are skipped by their length, and none is read.
"""

import re
import struct
from collections.abc import Callable, Iterator

from digitforge.pictures.errors import PictureError
from digitforge.pictures.sizes import SIDE

PNG, JPEG, GIFS = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"GIF87a", b"GIF89a")
MOST_PARTS = 1024  # chunks, segments or blocks before the pixels: a camera's file has about twenty
MOST_COMPRESSED = 16  # chunks of a PNG that Pillow inflates, each to at most 1 MiB
MOST_HEADER_BYTES = 4 << 20  # before the pixels: colour profile, preview, depth map
MOST_STRAY = 1024  # bytes between two parts that belong to none
MOST_RUN_LENGTH_BYTES = 1 << 20  # of a BMP file of runs, which Pillow decodes in Python

PLAIN_BYTES = 16 << 10  # 28x28 pixels of 64 bits are 6,272
PLAIN_CHUNKS = 32
PLAIN_CHUNK_KINDS = frozenset(
    (b"PLTE", b"tRNS", b"IDAT", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"tIME", b"tEXt")
)

CHUNK = struct.Struct(">I4s")
RIFF_CHUNK = struct.Struct("<4sI")
PLAIN_START = PNG + CHUNK.pack(13, b"IHDR") + struct.pack(">II", SIDE, SIDE)
AFTER_IHDR = len(PNG) + 12 + 13
COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")
JPEG_MARKER = re.compile(rb"[^\xff]*+\xff++([^\xff])", re.DOTALL)
START_OF_SCAN = 0xDA
# Markers that Pillow passes over as if nothing followed: those of which nothing does, and the extensions.
BARE = frozenset((0x00, 0x01, *range(0xD0, 0xDA), 0xC8, *range(0xF0, 0xFE)))
GIF_BLOCK = re.compile(rb"[^!,;]*+([!,;])", re.DOTALL)
RUN_LENGTHS = (1, 2)  # of a BMP file's kinds of compression


def is_plain(data: bytes) -> bool:
    """Whether a file is a PNG of 28x28 pixels so small and so simple that its decoding is a fraction of a millisecond.

    At most 16 kB and 32 chunks, and none that is inflated but the pixels, which end with the last of them.
    """
    if len(data) > PLAIN_BYTES or not data.startswith(PLAIN_START):
        return False
    position = AFTER_IHDR
    for _ in range(PLAIN_CHUNKS):
        if position + CHUNK.size > len(data):
            return False
        length, kind = CHUNK.unpack_from(data, position)
        position += 12 + length
        if kind == b"IEND":
            return position <= len(data)
        if kind not in PLAIN_CHUNK_KINDS:
            return False
    return False


def check_header(data: bytes) -> None:
    """Look through what stands before the pixels of a PNG, JPEG, GIF, WebP or BMP file.

    Damage is passed over: it is the decoder that names it.

    Raises:
        PictureError: There is more of it than a limit allows.
    """
    name, parts = _format(data)
    for number, end in enumerate(parts(data), 1):
        if number > MOST_PARTS:
            raise PictureError(f"a {name} file of more than {MOST_PARTS} parts before its pixels, which is the limit")
        if (size := min(end, len(data))) > MOST_HEADER_BYTES:
            raise PictureError(
                f"a {name} file of {size} bytes or more before its pixels, the limit is {MOST_HEADER_BYTES}"
            )


Parts = Callable[[bytes], Iterator[int]]
"""Walks through what stands before a file's pixels: the position after each part."""


def _format(data: bytes) -> tuple[str, Parts]:
    if data.startswith(PNG):
        return "PNG", _png_parts
    if data.startswith(JPEG):
        return "JPEG", _jpeg_parts
    if data.startswith(GIFS):
        return "GIF", _gif_parts
    if data.startswith(b"RIFF"):
        return "WebP", _webp_parts
    return "BMP", _bmp_parts


def _png_parts(data: bytes) -> Iterator[int]:
    position, compressed = len(PNG), 0
    while position + CHUNK.size <= len(data):
        length, kind = CHUNK.unpack_from(data, position)
        if kind == b"IDAT":
            return
        compressed += kind in COMPRESSED
        if compressed > MOST_COMPRESSED:
            raise PictureError(
                f"a PNG file of more than {MOST_COMPRESSED} compressed text and profile chunks, which is the limit"
            )
        position += 12 + length
        yield position


def _jpeg_parts(data: bytes) -> Iterator[int]:
    position = 2
    while (found := _next(JPEG_MARKER, data, position, "JPEG")) is not None:
        position, marker = found.end(), found[1][0]
        if marker == START_OF_SCAN:
            return
        if marker not in BARE:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))
        yield position


def _gif_parts(data: bytes) -> Iterator[int]:
    screen = data[:13].ljust(13, b"\0")
    position = 13 + _colour_table_bytes(screen[10])
    while (found := _next(GIF_BLOCK, data, position, "GIF")) is not None and found[1] == b"!":
        position = found.end() + 1
        while position < len(data) and (length := data[position]):
            position += 1 + length
            yield position
        position += 1
        yield position


def _colour_table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_parts(data: bytes) -> Iterator[int]:
    position = 12
    while position + RIFF_CHUNK.size <= len(data):
        kind, length = RIFF_CHUNK.unpack_from(data, position)
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            return
        position += RIFF_CHUNK.size + length + length % 2
        yield position


def _bmp_parts(data: bytes) -> Iterator[int]:
    if data.startswith(b"BM") and len(data) > MOST_RUN_LENGTH_BYTES and data[30] in RUN_LENGTHS:
        raise PictureError(f"a run-length encoded BMP file of {len(data)} bytes, the limit is {MOST_RUN_LENGTH_BYTES}")
    yield from ()


def _next(pattern: re.Pattern[bytes], data: bytes, position: int, name: str) -> re.Match[bytes] | None:
    """Where a part begins, at `position` or after some stray bytes; None at the end of the file."""
    found = pattern.match(data, position, position + MOST_STRAY)
    if found is None and position + MOST_STRAY < len(data):
        raise PictureError(f"a {name} file with {MOST_STRAY} bytes or more between two parts, which is the limit")
    return found
