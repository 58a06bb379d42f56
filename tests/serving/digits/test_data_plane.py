"""What every call must get from its way through the data plane: its deadline, and the model's own threshold."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
import pytest
from google.rpc import code_pb2

from protos.digits.v1 import digits_pb2 as pb
from serving.digits.data_plane import DataPlane, Score
from serving.digits.pair import Pair
from serving.digits.picture_line import PictureLine
from serving.engine.device import CPU
from serving.services.digits import DigitsServicer
from serving.settings import Settings

IMAGE = np.zeros((28, 28), np.uint8)
SOON_S = 0.05


def with_data_plane(
    repository: Path, test: Callable[[DataPlane], Coroutine[Any, Any, None]], *flags: str, versions: int = 1
) -> None:
    async def run() -> None:
        settings = Settings.load(list(flags))
        numbers = range(1, versions + 1)
        data_plane = DataPlane({number: Pair(repository, number, CPU, 1, settings) for number in numbers}, settings)
        await test(data_plane)
        await data_plane.close()

    asyncio.run(run())


class EndedError(Exception):
    """As gRPC ends a call that is aborted."""


class Context:
    """As much of gRPC's as the servicer takes, of a call that has so many seconds left."""

    def __init__(self, left_s: float | None) -> None:
        self.left_s = left_s

    def time_remaining(self) -> float | None:
        return self.left_s

    async def abort(self, code: grpc.StatusCode, details: str, metadata: Any = ()) -> None:
        raise EndedError(code)


Call = Callable[[DigitsServicer, Any], Coroutine[Any, Any, object]]


async def score_stream(servicer: DigitsServicer, context: Any) -> None:
    """A refused image is answered in the stream; raises as the other calls do."""

    async def requests() -> AsyncIterator[pb.ScoreRequest]:
        yield pb.ScoreRequest(image=IMAGE.tobytes())

    async for answer in servicer.ScoreStream(requests(), context):
        if answer.error.code == code_pb2.DEADLINE_EXCEEDED:
            raise EndedError(grpc.StatusCode.DEADLINE_EXCEEDED)
        assert not answer.HasField("error")


async def generate_stream(servicer: DigitsServicer, context: Any) -> None:
    async for _ in servicer.GenerateStream(pb.GenerateRequest(), context):
        pass


CALLS: dict[str, Call] = {
    "Generate": lambda servicer, context: servicer.Generate(pb.GenerateRequest(), context),
    "GenerateStream": generate_stream,
    "Score": lambda servicer, context: servicer.Score(pb.ScoreRequest(image=IMAGE.tobytes()), context),
    "ScoreStream": score_stream,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_call_whose_deadline_passes_while_it_waits_is_dropped(call: Call, model_repository: Path) -> None:
    """The batch waits longer for more rows than the call has time."""

    async def test(data_plane: DataPlane) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nobody:
            servicer = DigitsServicer(data_plane, PictureLine(nobody, 1))
            with pytest.raises(EndedError, match="DEADLINE_EXCEEDED"):
                await call(servicer, Context(SOON_S))
            await call(servicer, Context(60))
            await call(servicer, Context(None))

    with_data_plane(model_repository, test, "--max-delay-ms", str(2000 * SOON_S))


def test_verdict_is_at_the_threshold_of_the_versions_own_detector(model_repository: Path, tmp_path: Path) -> None:
    repository = Path(shutil.copytree(model_repository, tmp_path / "models"))
    probabilities = []

    async def ask(data_plane: DataPlane) -> None:
        for number in (1, 2):
            probabilities.append((await data_plane.score(IMAGE, number)).real_probability)

    with_data_plane(repository, ask, versions=2)
    first, second = probabilities
    # The first at the very probability, which reaches it, the second just above; what a generator says is another's.
    thresholds = {"discriminator/1": first, "discriminator/2": np.nextafter(second, 1), "generator/1": 1.0}
    for place, threshold in thresholds.items():
        path = repository / place / "model.onnx"
        model = onnx.load(path)
        next(entry for entry in model.metadata_props if entry.key == "digitforge.threshold").value = repr(
            float(threshold)
        )
        onnx.save(model, path)

    async def test(data_plane: DataPlane) -> None:
        assert await data_plane.score(IMAGE, 1) == Score(first, True, 1)
        assert await data_plane.score(IMAGE, 2) == Score(second, False, 2)

    with_data_plane(repository, test, versions=2)
