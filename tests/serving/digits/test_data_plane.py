"""What every call must get from its way through the data plane: its deadline, and the model's own threshold."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import onnx
import pytest
from google.rpc import code_pb2

from digitforge.pictures.decoded import Decoded, Found
from digitforge.verdict import Verdict
from protos.digits.v1 import digits_pb2 as pb
from serving.digits.data_plane import SEEDS, DataPlane, Score
from serving.digits.pair import Pair
from serving.digits.picture_line import PictureLine
from serving.digits.verdicts import Seen
from serving.engine.device import CPU
from serving.errors import NotFoundError
from serving.services.digits import DigitsServicer
from serving.settings import Settings

PIXELS = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
IMAGE = Decoded(PIXELS, normalised=False, found=Found.ONE)
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
        yield pb.ScoreRequest(image=PIXELS.tobytes())

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
    "Score": lambda servicer, context: servicer.Score(pb.ScoreRequest(image=PIXELS.tobytes()), context),
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


def with_thresholds(model_repository: Path, folder: Path, thresholds: dict[str, dict[str, float]]) -> Path:
    """A copy of a repository whose models, such as `discriminator/1`, say other thresholds."""
    repository = Path(shutil.copytree(model_repository, folder))
    for place, values in thresholds.items():
        path = repository / place / "model.onnx"
        model = onnx.load(path)
        about = {entry.key: entry.value for entry in model.metadata_props}
        about |= {f"digitforge.{name}": repr(float(value)) for name, value in values.items()}
        onnx.helper.set_model_props(model, about)
        onnx.save(model, path)
    return repository


def scores(repository: Path, image: Decoded) -> list[Score]:
    """By the first two versions of a repository."""
    found = []

    async def ask(data_plane: DataPlane) -> None:
        found.extend([await data_plane.score(image, number) for number in (1, 2)])

    with_data_plane(repository, ask, versions=2)
    return found


def test_verdict_is_at_the_thresholds_of_the_versions_own_detector(model_repository: Path, tmp_path: Path) -> None:
    first, second = (score.seen for score in scores(model_repository, IMAGE))
    assert first.one_digit_probability is not None
    assert second.one_digit_probability is not None
    # The first at the very probability, which reaches it, the second just above; what a generator says is another's.
    lower = {"threshold": first.real_probability, "one_digit_threshold": first.one_digit_probability}
    higher = {"threshold": np.nextafter(second.real_probability, 1), "one_digit_threshold": 0.0}
    unmet = {"threshold": 1.0, "one_digit_threshold": 1.0}
    thresholds = {"discriminator/1": lower, "discriminator/2": higher, "generator/1": unmet, "generator/2": unmet}
    repository = with_thresholds(model_repository, tmp_path / "one", thresholds)
    assert scores(repository, IMAGE) == [Score(Verdict.REAL_DIGIT, 1, first), Score(Verdict.GENERATED, 2, second)]

    # Whether it is one digit is asked before whether it is real, and after whether there are several.
    none = {"threshold": 0.0, "one_digit_threshold": np.nextafter(first.one_digit_probability, 1)}
    thresholds = {"discriminator/1": none, "discriminator/2": {"threshold": 0.0, "one_digit_threshold": 0.0}}
    repository = with_thresholds(model_repository, tmp_path / "two", thresholds)
    assert scores(repository, IMAGE) == [Score(Verdict.NOT_ONE_DIGIT, 1, first), Score(Verdict.REAL_DIGIT, 2, second)]
    several = replace(IMAGE, found=Found.SEVERAL)
    assert [score.verdict for score in scores(repository, several)] == [Verdict.NOT_ONE_DIGIT] * 2


def test_nothing_is_told_without_asking_a_detector(model_repository: Path, tmp_path: Path) -> None:
    """Also where every detector would call it real."""
    met = {"threshold": 0.0, "one_digit_threshold": 0.0}
    repository = with_thresholds(
        model_repository, tmp_path / "models", {"discriminator/1": met, "discriminator/2": met}
    )
    nothing = Decoded(np.zeros((28, 28), np.uint8), normalised=True, found=Found.NOTHING)
    expected = Seen(0.0, None, None, None)
    assert scores(repository, nothing) == [Score(Verdict.NOTHING_FOUND, number, expected) for number in (1, 2)]

    async def unknown_version(data_plane: DataPlane) -> None:
        with pytest.raises(NotFoundError, match="version: 9 is not served"):
            await data_plane.score(nothing, 9)

    with_data_plane(repository, unknown_version)


def test_no_two_calls_without_a_seed_have_the_same_images(model_repository: Path) -> None:
    async def ask(data_plane: DataPlane) -> None:
        calls = 2 * SEEDS + 1  # so that more have to be drawn, twice
        seeds = {data_plane.order(None, 1, 0, None, 0, 1).seed for _ in range(calls)}
        assert len(seeds) == calls
        assert max(seeds) > 2**60

    with_data_plane(model_repository, ask)
