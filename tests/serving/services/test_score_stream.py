"""A stream of images to score, while the model waits for a batch that never fills."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from protos.digits.v1 import digits_pb2 as pb
from serving.digits.data_plane import DataPlane
from serving.digits.pair import Pair
from serving.digits.picture_line import PictureLine
from serving.engine.device import CPU
from serving.services.digits import STREAM_BYTES, STREAM_WINDOW, DigitsServicer
from serving.settings import Settings

NO_DEADLINE: Any = SimpleNamespace(time_remaining=lambda: None)
GREY = b"\x80" * 784  # in a black one nothing would be found, and no model be asked
QUIET_TURNS = 200  # of the event loop, after which nothing more happens by itself


class Requests:
    """Endless requests of an image, and how many were taken."""

    def __init__(self, image: bytes) -> None:
        self.taken = 0
        self._image = image

    async def __aiter__(self) -> AsyncIterator[pb.ScoreRequest]:
        while True:
            self.taken += 1
            yield pb.ScoreRequest(image=self._image)

    async def settle(self) -> None:
        """Until no more are taken."""
        turns, before = 0, 0
        while turns < QUIET_TURNS:
            await asyncio.sleep(0)
            turns, before = (turns + 1 if self.taken == before else 0), self.taken


def with_servicer(repository: Path, test: Callable[[DigitsServicer], Awaitable[None]]) -> None:
    async def run() -> None:
        line, nobody = socket.socketpair(type=socket.SOCK_DGRAM)
        settings = Settings.load(["--max-delay-ms", "10000"])
        data_plane = DataPlane({1: Pair(repository, 1, CPU, 1, settings)}, settings)
        await test(DigitsServicer(data_plane, PictureLine(line, 1)))
        await data_plane.close()
        line.close()
        nobody.close()

    asyncio.run(run())


def picture() -> bytes:
    """A megabyte of one, in a form that takes no time to decode."""
    file = io.BytesIO()
    Image.new("L", (1024, 1020), 200).save(file, "BMP")
    return file.getvalue()


@pytest.mark.parametrize(
    ("image", "count"),
    [(GREY, STREAM_WINDOW), (picture(), STREAM_BYTES // len(picture()))],
    ids=["small", "large"],
)
def test_no_more_requests_are_taken_than_the_window_holds_and_one_that_waits(
    model_repository: Path, image: bytes, count: int
) -> None:
    async def test(servicer: DigitsServicer) -> None:
        requests = Requests(image)
        first = asyncio.ensure_future(anext(servicer.ScoreStream(requests.__aiter__(), NO_DEADLINE)))
        await requests.settle()
        assert requests.taken == count + 1
        first.cancel()
        await asyncio.wait([first])

    with_servicer(model_repository, test)


def test_stream_whose_caller_goes_leaves_no_work_behind(model_repository: Path) -> None:
    async def test(servicer: DigitsServicer) -> None:
        others = asyncio.all_tasks()
        requests = Requests(GREY)
        first = asyncio.ensure_future(anext(servicer.ScoreStream(requests.__aiter__(), NO_DEADLINE)))
        await requests.settle()
        assert len(asyncio.all_tasks() - others) > STREAM_WINDOW
        first.cancel()
        await asyncio.wait([first])
        for _ in range(QUIET_TURNS):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == others

    with_servicer(model_repository, test)
