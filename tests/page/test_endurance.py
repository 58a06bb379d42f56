"""What keeps others from being answered: requests that never end, and pictures that are more than they seem."""

import io
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from tests.processes import PATIENCE_S

NOT_AT_ONCE_S = 15.0  # an end that comes earlier is not that of the page's patience
PICTURE = b"POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: 99\r\n\r\n"
SLOW = {
    "nothing": (b"", b""),
    "headers": (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", b"x"),
    "second request": (
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\nx: ",
        b"x",
    ),
    "body": (PICTURE, b"x"),
    "body that nobody reads": (PICTURE.replace(b"POST /v1/score", b"PUT /v1/models"), b"x"),
}


def end_of(page_address: str, begin: bytes, drip: bytes) -> tuple[float, bytes]:
    """After how long the page ends a connection that sends this, and then a byte a second; and what it said."""
    place = urlsplit(page_address)
    began, said = time.monotonic(), b""
    with socket.create_connection((place.hostname, place.port), timeout=1) as connection:
        connection.sendall(begin)
        while time.monotonic() - began < PATIENCE_S:
            try:
                if not (piece := connection.recv(65536)):
                    break
                said += piece
            except TimeoutError:
                connection.sendall(drip)
            except ConnectionError:
                break
    return time.monotonic() - began, said


def test_whoever_sends_a_byte_a_second_is_not_waited_for(browser: httpx.Client, page_address: str) -> None:
    with ThreadPoolExecutor() as threads:
        ends = {name: threads.submit(end_of, page_address, *what) for name, what in SLOW.items()}
        assert browser.get("/healthz").status_code == 200
        for name, end in ends.items():
            after, said = end.result()
            assert after < PATIENCE_S, name
            if name != "body that nobody reads":  # which is refused at once
                assert after > NOT_AT_ONCE_S, name
            if name == "body":
                assert said.startswith(b"HTTP/1.1 408 ")
                assert b'"field":"body"' in said
                assert b'"limit":"the whole body within 20 s"' in said


def bomb(megapixels: int, depth: int, colour: int, bytes_a_pixel: int) -> bytes:
    """A PNG of black pixels, some two hundredths of what it becomes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    width, height = 10_000, megapixels * 100
    squeeze, row = zlib.compressobj(1), bytes(1 + bytes_a_pixel * width)
    rows = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# Pillow's own limit is 179 megapixels. Grey ones of 16 bits below it are brought to 8 bits by floats.
BOMBS = {"pixels": (190, 8, 0, 1), "memory or time": (175, 16, 0, 2)}


@pytest.mark.parametrize("kind", BOMBS)
def test_picture_that_becomes_too_large_is_refused_and_the_next_is_opened(kind: str, browser: httpx.Client) -> None:
    data = bomb(*BOMBS[kind])
    refused = browser.post("/v1/score", content=data, headers={"content-type": "image/png"})
    problem = refused.json()
    assert (refused.status_code, problem["field"], problem["value"]) == (422, "image", f"{len(data)} bytes")
    assert problem["limit"] in (("10 s", "2048 MiB of memory") if kind != "pixels" else (None,))
    assert kind != "pixels" or "limit of" in problem["detail"]
    buffer = io.BytesIO()
    Image.new("L", (40, 40)).save(buffer, "TIFF")
    assert browser.post("/v1/score", content=buffer.getvalue()).json()["verdict"] == "nothing_found"
