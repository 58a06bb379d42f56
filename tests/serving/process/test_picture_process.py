"""Picture processes at the end of a line: what they answer, what ends them, and what they leave."""

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.serving_load.processes import family, resident_mb
from digitforge.pictures.decoded import Decoded
from digitforge.pictures.errors import PictureError
from digitforge.pictures.images import decode_file
from digitforge.pictures.png import encode_png
from serving.digits.picture_job import REFUSED, TAKEN, Answer
from serving.digits.picture_line import PictureLine
from serving.errors import InternalError
from serving.process.picture_decoder import Limits
from tests.picture_files import chunk, file_of

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60
MEGAPIXEL = 10**6
SCRIPT = """
import socket, sys
from serving.process.picture_decoder import Limits
from serving.process.picture_process import work
number, pixels, seconds, memory = sys.argv[1:]
work(socket.socket(fileno=int(number)), Limits(int(pixels), float(seconds), int(memory)))
"""
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the processes from Linux's /proc")


class Processes:
    """A line and the picture processes at its end."""

    def __init__(self, stderr: Path) -> None:
        self.ours, self.theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        self._stderr = stderr.open("w")
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, limits: Limits | None = None, before: str = "") -> subprocess.Popen[bytes]:
        """Begin another one, which runs a line of Python first."""
        limits = limits or Limits.of(25 * MEGAPIXEL, 60)
        number = str(self.theirs.fileno())
        of_each = map(str, (limits.pixels, limits.seconds, limits.memory))
        self.running.append(
            subprocess.Popen([sys.executable, "-c", before + SCRIPT, number, *of_each], cwd=ROOT,
                pass_fds=[self.theirs.fileno()], stderr=self._stderr)
        )  # fmt: skip
        return self.running[-1]

    def decode(self, data: bytes) -> Decoded:
        async def run() -> Decoded:
            return await asyncio.wait_for(PictureLine(self.ours, 1).decode(data, "test"), PATIENCE_S)

        return asyncio.run(run())

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
        for end in (self.ours, self.theirs, self._stderr):
            end.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """None is running yet."""
    started = Processes(tmp_path / "stderr")
    yield started
    started.close()


def slow(megabytes: int = 12) -> bytes:
    """A PNG whose pixels come in many empty parts, which take Pillow a second or so to read."""
    start = encode_png(np.zeros((28, 28), np.uint8))
    first = start.index(b"IDAT") - 4
    return start[:first] + chunk(b"IDAT", b"") * (megabytes * 2**20 // 12) + start[first:]


SMALL = file_of(Image.linear_gradient("L"), "PNG")


def small_is_decoded(processes: Processes) -> bool:
    return np.array_equal(processes.decode(SMALL).pixels, decode_file(SMALL).pixels)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("side", [28, 300])
def test_picture_comes_back_as_it_is_decoded_elsewhere(processes: Processes, image_format: str, side: int) -> None:
    processes.start()
    data = file_of(Image.linear_gradient("L").resize((side, side)), image_format)
    found, expected = processes.decode(data), decode_file(data)
    assert np.array_equal(found.pixels, expected.pixels)
    assert (found.normalised, found.found) == (expected.normalised, expected.found)


def test_what_is_refused_comes_back_with_its_reason(processes: Processes) -> None:
    processes.start(Limits.of(999, 60))
    with pytest.raises(PictureError, match="3 bytes that are neither 784 raw ones nor a PNG"):
        processes.decode(b"GIF")
    with pytest.raises(PictureError, match="50x20 = 1000 pixels, the limit is 999"):
        processes.decode(file_of(Image.new("L", (50, 20)), "PNG"))


def test_picture_that_takes_longer_than_the_limit_is_refused_and_the_next_one_is_decoded(processes: Processes) -> None:
    processes.start(Limits.of(25 * MEGAPIXEL, 1))
    with pytest.raises(PictureError, match=r"takes longer to decode than the limit of 1 s"):
        processes.decode(slow(36))
    assert small_is_decoded(processes)


def test_file_that_never_comes_keeps_nobody_waiting_for_ever(processes: Processes) -> None:
    processes.start(Limits.of(25 * MEGAPIXEL, 0.5))
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            socket.send_fds(processes.ours, [b"\0"], [theirs.fileno()])
        ours.settimeout(PATIENCE_S)
        assert ours.recv(1) == TAKEN
        with ours.makefile("rb") as stream:
            answer = Answer.unpack(bytearray(stream.read()))
        assert answer == Answer(REFUSED, b"takes longer to decode than the limit of 0.5 s")
    assert small_is_decoded(processes)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds processes to their address space")
def test_picture_that_takes_more_memory_than_the_limit_is_refused_and_the_next_one_is_decoded(
    processes: Processes,
) -> None:
    data = file_of(Image.new("RGBA", (5000, 5000)), "PNG", compress_level=1)
    processes.start(Limits(25 * MEGAPIXEL, 60, 300 << 20))
    with pytest.raises(PictureError, match="takes more memory to decode than the limit of 314572800 bytes"):
        processes.decode(data)
    assert small_is_decoded(processes)


@pytest.mark.parametrize(("mode", "image_format"), [("RGBA", "PNG"), ("RGB", "WEBP"), ("P", "GIF"), ("RGB", "JPEG")])
def test_picture_at_the_limit_of_pixels_has_the_memory_that_it_needs(
    processes: Processes, mode: str, image_format: str
) -> None:
    processes.start()
    options = {"lossless": True, "quality": 0, "method": 0} if image_format == "WEBP" else {}
    assert processes.decode(file_of(Image.new(mode, (5000, 5000)), image_format, **options)).normalised


@needs_proc
def test_one_decoder_takes_one_small_picture_after_another(processes: Processes) -> None:
    process = processes.start()
    assert small_is_decoded(processes)
    before = family(process.pid)
    assert len(before) == 2
    assert small_is_decoded(processes)
    assert family(process.pid) == before


@needs_proc
def test_memory_of_a_large_picture_is_given_back(processes: Processes) -> None:
    process = processes.start()
    assert small_is_decoded(processes)
    before, decoder = resident_mb(process.pid), family(process.pid)[1]
    processes.decode(file_of(Image.new("RGB", (5000, 5000)), "PNG", compress_level=1))
    assert small_is_decoded(processes)
    assert sum(resident_mb(process.pid)) < sum(before) + 4
    assert decoder not in family(process.pid)


@needs_proc
def test_decoder_that_dies_between_two_pictures_is_replaced(processes: Processes) -> None:
    process = processes.start()
    assert small_is_decoded(processes)
    (forked,) = family(process.pid)[1:]
    os.kill(forked, signal.SIGKILL)
    while Path(f"/proc/{forked}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.005)
    assert small_is_decoded(processes)


@asynccontextmanager
async def decoding(processes: Processes, data: bytes) -> AsyncIterator[tuple[asyncio.Task[Decoded], int]]:
    """A picture in work, and the process that was forked for it."""
    picture = asyncio.create_task(PictureLine(processes.ours, 1).decode(data, "test"))
    until = time.monotonic() + PATIENCE_S
    while not (forked := family(processes.running[0].pid)[1:]):
        assert time.monotonic() < until
        await asyncio.sleep(0.005)
    yield picture, forked[0]


@needs_proc
def test_decoder_that_dies_is_told_and_the_next_picture_is_decoded(processes: Processes) -> None:
    process = processes.start()

    async def run() -> None:
        async with decoding(processes, slow()) as (picture, forked):
            os.kill(forked, signal.SIGKILL)
            with pytest.raises(InternalError, match="image: the process that decoded it was ended by SIGKILL"):
                await picture

    asyncio.run(run())
    assert small_is_decoded(processes)
    assert process.poll() is None


@needs_proc
def test_picture_of_a_process_that_is_killed_is_told_and_the_next_process_takes_the_rest(processes: Processes) -> None:
    process = processes.start()

    async def run() -> None:
        async with decoding(processes, slow()) as (picture, forked):
            process.kill()
            process.wait()
            os.kill(forked, signal.SIGKILL)
            with pytest.raises(InternalError, match="the process that decoded it has ended"):
                await picture

    asyncio.run(run())
    processes.start()
    assert small_is_decoded(processes)


@needs_proc
def test_picture_that_nobody_waits_for_any_more_is_not_decoded_to_its_end(processes: Processes) -> None:
    process = processes.start()

    async def run() -> None:
        async with decoding(processes, slow()) as (picture, forked):
            os.kill(forked, signal.SIGSTOP)  # it would never end by itself
            picture.cancel()
            forked_before.append(forked)

    forked_before: list[int] = []
    asyncio.run(run())
    assert small_is_decoded(processes)
    assert not set(forked_before) & set(family(process.pid))


@needs_proc
def test_process_that_is_told_to_stop_leaves_no_decoder_behind(processes: Processes) -> None:
    process = processes.start()

    async def run() -> None:
        async with decoding(processes, slow()) as (picture, forked):
            os.kill(forked, signal.SIGSTOP)
            process.terminate()
            assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
            assert not Path(f"/proc/{forked}").exists()
            with pytest.raises(InternalError, match="has ended"):
                await picture

    asyncio.run(run())


def test_process_that_is_told_to_stop_while_it_forks_stops(processes: Processes) -> None:
    to_itself = "import os, signal; os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))"
    process = processes.start(before=to_itself)
    with pytest.raises(InternalError, match="has ended"):
        processes.decode(SMALL)
    assert process.wait(PATIENCE_S) == 0


def test_damage_writes_no_lines_into_the_log(processes: Processes, tmp_path: Path) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 60_000) + b"\x12\1\3\0\1\0\0\0\1\0\0\0" * 50
    data = file_of(Image.new("L", (100, 100)), "JPEG")
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        decode_file(damaged := data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    processes.start()
    assert processes.decode(damaged).normalised
    assert (tmp_path / "stderr").read_text() == ""
