"""Picture files that are small, or well-formed, and long work to open."""

import io
import zlib
from functools import cache

from PIL import Image

from benchmarks.attacks.calls import SCORE, SCORE_STREAM, score
from benchmarks.attacks.target import Target

ROOM = (16 << 20) - 64  # of a request message
SIDE = 5000  # 25 megapixels, the most that a picture may have
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
APP1 = b"\xff\xe1\0\x09Exif\0\0a"


def jpeg_of_segments(target: Target) -> None:
    """A JPEG of 28x28 pixels before whose picture 1.5 million segments stand: 16 MiB."""
    _send(target, _jpeg_of_segments(), 4)


def png_of_texts(target: Target) -> None:
    """20 PNGs of 63 kB with 60 texts of a mebibyte each."""
    _send(target, _png_of_texts(), 20)


def png_of_chunks(target: Target) -> None:
    """4 PNGs of 28x28 pixels with 1.4 million empty chunks: 16 MiB each."""
    _send(target, _png_of_chunks(), 4)


def large_pictures(target: Target) -> None:
    """24 PNGs of 97 kB and 25 megapixels at once."""
    _send(target, large_picture(), 24)


def large_picture_streams(target: Target) -> None:
    """30 ScoreStreams on one connection with 15 pictures each, of a megabyte and 25 megapixels."""
    peer = target.connect()
    peer.read(0.2)
    body = score(_padded(large_picture(), 1_000_000)) * 15
    for _ in range(30):
        peer.send_body(peer.open(SCORE_STREAM), body, patience_s=0.5)
    target.hold()


@cache
def large_picture() -> bytes:
    """A PNG of 25 megapixels in colours."""
    rows = bytes(4 * SIDE + 1) * SIDE
    head = SIDE.to_bytes(4, "big") * 2 + bytes([8, 6, 0, 0, 0])
    return PNG_HEAD + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND")


def _send(target: Target, picture: bytes, count: int) -> None:
    """So many Scores of a picture; waits for their answers."""
    peer = target.connect()
    peer.read(0.2)
    streams = [peer.open(SCORE) for _ in range(count)]
    for stream in streams:
        peer.send_body(stream, score(picture), is_end=True)
    for stream in streams:
        peer.answer(stream, 60)


@cache
def _jpeg_of_segments() -> bytes:
    file = io.BytesIO()
    Image.new("L", (28, 28), 200).save(file, "JPEG")
    plain = file.getvalue()
    return plain[:2] + APP1 * ((ROOM - len(plain)) // len(APP1)) + plain[2:]


@cache
def _png_of_texts() -> bytes:
    text = zlib.compress(bytes(1 << 20), 9)
    return _with_chunks(b"".join(_chunk(b"zTXt", b"key%d\0\0" % number + text) for number in range(60)))


@cache
def _png_of_chunks() -> bytes:
    return _with_chunks(_chunk(b"abCd") * ((ROOM - 1000) // 12))


def _with_chunks(chunks: bytes) -> bytes:
    """A PNG of 28x28 pixels with more before its picture."""
    file = io.BytesIO()
    Image.new("L", (28, 28), 200).save(file, "PNG")
    plain = file.getvalue()
    picture = plain.index(b"IDAT") - 4
    return plain[:picture] + chunks + plain[picture:]


def _padded(png: bytes, count: int) -> bytes:
    end = len(png) - 12
    return png[:end] + _chunk(b"abCd", bytes(count)) + png[end:]


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


PICTURES = (jpeg_of_segments, png_of_texts, png_of_chunks, large_pictures, large_picture_streams)
