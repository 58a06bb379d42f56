"""The line for the picture processes: whose turn it is, who is refused, and what comes of a picture.

The test is the process at the other end.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from digitforge.pictures.decoded import Decoded
from digitforge.pictures.errors import PictureError
from serving.digits.picture_job import DECODED, FAILED, LENGTH, REFUSED, TAKEN, Answer
from serving.digits.picture_line import PictureLine
from serving.errors import DeadlineExceededError, InternalError, ResourceExhaustedError

PATIENCE_S = 20
SOON_S = 0.5
PIXELS = np.arange(784, dtype=np.uint8).reshape(28, 28)
WELL = Answer(DECODED, b"\1\2" + PIXELS.tobytes()).pack()


class Job:
    """A picture that was taken from the line."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream

    async def file(self) -> bytes:
        """Say that it is taken, and have its file."""
        return await asyncio.to_thread(self._file)

    def _file(self) -> bytes:
        self.stream.sendall(TAKEN)
        with self.stream.makefile("rb") as stream:
            return stream.read(*LENGTH.unpack(stream.read(LENGTH.size)))

    def answer(self, data: bytes = WELL) -> None:
        with self.stream:
            self.stream.sendall(data)


class Process:
    """The other end of the line."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        line.settimeout(PATIENCE_S)

    async def take(self) -> Job:
        _, (handle,), _, _ = await asyncio.to_thread(socket.recv_fds, self.line, 1, 1)
        stream = socket.socket(fileno=handle)
        stream.settimeout(PATIENCE_S)
        return Job(stream)

    async def decode(self) -> bytes:
        """Take a picture and answer; its file."""
        job = await self.take()
        data = await job.file()
        job.answer()
        return data


Test = Callable[[PictureLine, Process], Awaitable[None]]


def on_a_line(test: Test, at_a_time: int = 1, **limits: int) -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        with ours, theirs:
            await asyncio.wait_for(test(PictureLine(ours, at_a_time, **limits), Process(theirs)), PATIENCE_S)

    asyncio.run(run())


async def sent(line: PictureLine, data: bytes, peer: str = "one", **options: Any) -> asyncio.Task[Decoded]:
    """A picture that has its place, or waits for one."""
    task = asyncio.create_task(line.decode(data, peer, **options))
    await asyncio.sleep(0)
    return task


async def is_served(line: PictureLine, process: Process) -> None:
    """What comes next is decoded."""
    following = await sent(line, b"next")
    assert await process.decode() == b"next"
    await following


@pytest.mark.parametrize("size", [0, 100, 3 << 20])
def test_file_comes_whole_and_its_pixels_come_back(size: int) -> None:
    async def test(line: PictureLine, process: Process) -> None:
        data = np.random.default_rng(0).bytes(size)
        picture = await sent(line, data)
        assert await process.decode() == data
        decoded = await picture
        assert np.array_equal(decoded.pixels, PIXELS)
        assert decoded.normalised

    on_a_line(test)


def test_reasons_come_back_as_the_pictures_fault_or_ours() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        for kind, error in ((REFUSED, PictureError), (FAILED, InternalError)):
            picture = await sent(line, b"x")
            job = await process.take()
            await job.file()
            job.answer(Answer(kind, "zu groß".encode()).pack())
            with pytest.raises(error, match="zu groß"):
                await picture

    on_a_line(test)


@pytest.mark.parametrize("moment", ["before the file", "after the file", "within the answer"])
def test_process_that_dies_is_told_as_our_fault_and_the_next_picture_is_decoded(moment: str) -> None:
    async def test(line: PictureLine, process: Process) -> None:
        picture = await sent(line, bytes(1 << 20))
        job = await process.take()
        if moment != "before the file":
            await job.file()
        job.answer(WELL[:100] if moment == "within the answer" else b"")
        with pytest.raises(InternalError, match="the process that decoded it has ended"):
            await picture
        await is_served(line, process)

    on_a_line(test)


def test_answer_that_comes_before_the_whole_file_has_gone_is_heard() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        picture = await sent(line, bytes(8 << 20))
        job = await process.take()
        job.answer(TAKEN + Answer(REFUSED, b"enough").pack())
        with pytest.raises(PictureError, match="enough"):
            await picture

    on_a_line(test)


def test_each_peer_has_its_turn_and_one_that_sends_many_waits_for_itself() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        crowd = [await sent(line, b"crowd", "crowd") for _ in range(4)]
        others = [await sent(line, peer.encode(), peer) for peer in ("one", "two")]
        order = [await process.decode() for _ in range(6)]
        assert order == [b"crowd", b"crowd", b"one", b"two", b"crowd", b"crowd"]
        await asyncio.gather(*crowd, *others)

    on_a_line(test)


def test_no_more_are_in_work_than_there_are_processes() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        pictures = [await sent(line, b"x") for _ in range(5)]
        jobs = [await process.take() for _ in range(2)]
        assert line.waiting == 3
        process.line.setblocking(False)
        with pytest.raises(BlockingIOError):
            process.line.recv(1)
        process.line.settimeout(PATIENCE_S)
        for job in jobs:
            await job.file()
            job.answer()
        for _ in range(3):
            await process.decode()
        await asyncio.gather(*pictures)
        assert (line.waiting, line.waiting_bytes) == (0, 0)

    on_a_line(test, at_a_time=2)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"most_waiting": 3}, "4 pictures of 40 bytes are waiting, the limits are 3 and 67108864"),
        ({"most_waiting_bytes": 30}, "4 pictures of 40 bytes are waiting, the limits are 256 and 30"),
    ],
)
def test_where_the_line_is_full_the_newest_of_whoever_has_most_is_refused(limits: dict[str, int], message: str) -> None:
    async def test(line: PictureLine, process: Process) -> None:
        crowd = [await sent(line, bytes(10), "crowd") for _ in range(4)]
        other = await sent(line, bytes(10), "other")
        with pytest.raises(ResourceExhaustedError, match=message) as refusal:
            await crowd[3]
        assert 1 <= refusal.value.retry_after_s <= 1.5
        with pytest.raises(ResourceExhaustedError, match=message):
            await line.decode(bytes(10), "crowd")
        for _ in range(4):
            await process.decode()
        await asyncio.gather(*crowd[:3], other)
        assert (line.waiting, line.waiting_bytes) == (0, 0)

    on_a_line(test, **limits)


def test_picture_larger_than_the_lines_limit_may_wait_alone() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        pictures = [await sent(line, b"in work"), await sent(line, bytes(100))]
        for _ in range(2):
            await process.decode()
        await asyncio.gather(*pictures)

    on_a_line(test, most_waiting_bytes=50)


def test_picture_whose_deadline_passes_while_it_waits_for_its_turn_is_sent_to_nobody() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        first = await sent(line, b"first")
        late = await sent(line, b"late", deadline=time.monotonic())
        assert await process.decode() == b"first"
        await first
        with pytest.raises(DeadlineExceededError, match="the deadline passed while the picture was waiting"):
            await late
        await is_served(line, process)

    on_a_line(test)


def test_picture_whose_deadline_passes_while_no_process_takes_it_is_sent_to_nobody() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        deadline = time.monotonic() + SOON_S
        late = await sent(line, b"late", deadline=deadline)
        job = await process.take()
        while time.monotonic() <= deadline:
            await asyncio.sleep(SOON_S / 10)
        job.answer(TAKEN)
        with pytest.raises(DeadlineExceededError, match="the deadline passed while the picture was waiting"):
            await late
        await is_served(line, process)

    on_a_line(test)


@pytest.mark.parametrize("moment", ["waiting", "at its turn", "in work"])
def test_picture_whose_caller_goes_leaves_its_place(moment: str) -> None:
    async def test(line: PictureLine, process: Process) -> None:
        first = await sent(line, b"first")
        gone = await sent(line, b"gone", "gone")
        job = await process.take()
        if moment == "in work":
            first.cancel()
            await process.take()
            gone.cancel()
        elif moment == "waiting":
            gone.cancel()
            await asyncio.sleep(0)
            assert (line.waiting, line.waiting_bytes) == (0, 0)
            await job.file()
            job.answer()
        else:
            first.cancel()  # gives its place away in the loop's next turn,
            await asyncio.sleep(0)
            gone.cancel()  # and this one has not seen it yet
        with suppress(asyncio.CancelledError):
            await first
        with pytest.raises(asyncio.CancelledError):
            await gone
        following = await sent(line, b"next")
        assert line.waiting == 0
        assert await process.decode() == b"next"
        await following

    on_a_line(test)


def test_caller_that_goes_as_the_place_is_given_does_not_take_it_along() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        first = await sent(line, b"first")
        gone, following = await sent(line, b"gone"), await sent(line, b"next")
        await process.take()
        first.cancel()
        gone.cancel()  # both in the same turn of the loop: the place comes to a picture that is cancelled
        assert await process.decode() == b"next"
        await following
        assert (line.waiting, line.waiting_bytes) == (0, 0)

    on_a_line(test)


def test_line_that_is_full_of_jobs_is_waited_for() -> None:
    async def test(line: PictureLine, process: Process) -> None:
        pictures = [await sent(line, str(number).encode()) for number in range(1000)]
        for _ in range(100):
            await asyncio.sleep(0)
        files = [await process.decode() for _ in pictures]
        assert sorted(map(int, files)) == list(range(1000))
        await asyncio.gather(*pictures)

    on_a_line(test, at_a_time=1000)
