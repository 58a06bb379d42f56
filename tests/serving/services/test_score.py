"""Which images are scored, or refused, where they come, and which are sent to be decoded: here nobody does that."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digitforge.pictures.png import encode_png
from protos.digits.v1 import digits_pb2 as pb
from serving.digits.data_plane import DataPlane
from serving.digits.pair import Pair
from serving.digits.picture_line import PictureLine
from serving.engine.device import CPU
from serving.services.digits import DigitsServicer
from serving.settings import Settings
from tests.picture_files import file_of, ring

RING = Image.fromarray(ring())
PHOTO = Image.new("L", (28, 28), 200)


class RefusedCallError(Exception):
    """As gRPC ends a call that is aborted."""


class Context:
    """As much of gRPC's as the servicer takes."""

    def peer(self) -> str:
        return "somebody"

    def time_remaining(self) -> float | None:
        return None

    async def abort(self, _code: Any, details: str, _metadata: Any = ()) -> None:
        raise RefusedCallError(details)


CONTEXT: Any = Context()


def with_servicer(
    repository: Path, test: Callable[[DigitsServicer, PictureLine], Awaitable[None]], at_a_time: int = 1
) -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        with ours, theirs:
            settings = Settings.load([])
            data_plane, line = (
                DataPlane({1: Pair(repository, 1, CPU, 1, settings)}, settings),
                PictureLine(ours, at_a_time),
            )
            await test(DigitsServicer(data_plane, line), line)
            await data_plane.close()

    asyncio.run(run())


def test_raw_pixels_and_plain_files_in_the_form_are_scored_where_they_come(model_repository: Path) -> None:
    async def test(servicer: DigitsServicer, _line: PictureLine) -> None:
        raw = RING.tobytes()
        files = [encode_png(np.asarray(RING)), file_of(RING, "PNG"), file_of(RING.convert("RGBA"), "PNG")]
        answers = [await servicer.Score(pb.ScoreRequest(image=image), CONTEXT) for image in (raw, *files)]
        assert len({answer.real_probability for answer in answers}) == 1

    with_servicer(model_repository, test)


def test_file_with_too_much_before_its_pixels_is_sent_to_nobody(model_repository: Path) -> None:
    async def test(servicer: DigitsServicer, _line: PictureLine) -> None:
        jpeg = file_of(RING, "JPEG")
        image = jpeg[:2] + b"\xff\xe5\0\2" * 2000 + jpeg[2:]
        with pytest.raises(RefusedCallError, match=r"^image: a JPEG file of more than 1024 parts before its pixels"):
            await servicer.Score(pb.ScoreRequest(image=image), CONTEXT)

    with_servicer(model_repository, test)


@pytest.mark.parametrize(
    "image",
    [file_of(RING, "JPEG"), file_of(RING.resize((56, 56)), "PNG"), file_of(PHOTO)],
    ids=["JPEG", "56x56", "photo"],
)
def test_any_other_picture_waits_to_be_decoded_elsewhere(model_repository: Path, image: bytes) -> None:
    async def test(servicer: DigitsServicer, line: PictureLine) -> None:
        call = asyncio.ensure_future(servicer.Score(pb.ScoreRequest(image=image), Context()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert (line.waiting, line.waiting_bytes) == (1, len(image))
        call.cancel()
        await asyncio.wait([call])

    with_servicer(model_repository, test, at_a_time=0)
