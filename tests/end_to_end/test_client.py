"""The client for Python against a real server, in both kinds: its results, what it takes for an image, its errors."""

import asyncio
import inspect
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from digitforge import (
    AsyncClient,
    Client,
    GeneratedDigits,
    InvalidArgumentError,
    NotFoundError,
    Score,
    UnreachableError,
    Verdict,
)
from digitforge.pictures.png import encode_png
from protos.digits.v1 import digits_pb2 as pb
from tests.end_to_end.awaited_client import slowly

DIGIT = np.zeros((28, 28), np.uint8)
DIGIT[6:22, 13:15] = 255  # a one
METHODS = ("generate", "generate_stream", "score", "score_stream", "models", "infer", "is_serving", "close")


@pytest.fixture
def client(address: str, client_to: Callable[..., Client]) -> Client:
    return client_to(address)


@pytest.mark.parametrize("name", ["__init__", *METHODS])
def test_both_kinds_have_the_same_methods_with_the_same_arguments_and_defaults(name: str) -> None:
    kinds = [inspect.signature(getattr(kind, name)).parameters for kind in (Client, AsyncClient)]
    assert [(one.name, one.kind, one.default) for one in kinds[0].values()] == [
        (one.name, one.kind, one.default) for one in kinds[1].values()
    ]


def test_no_method_is_left_out_of_the_other_kind() -> None:
    for kind in (Client, AsyncClient):
        assert {name for name in vars(kind) if not name.startswith("_")} == set(METHODS)


def test_digits_are_those_of_the_contract(client: Client, stub: Any) -> None:
    digits = client.generate(1100, seed=2**64 - 1, offset=2**64 - 1100, version=1)
    expected = stub.Generate(pb.GenerateRequest(seed=2**64 - 1, n=1100, offset=2**64 - 1100, version=1))
    assert digits.images.tobytes() == b"".join(expected.images)
    assert digits.classes is not None
    assert digits.classes.tolist() == list(expected.digits)
    assert (digits.seed, digits.offset, digits.version) == (2**64 - 1, 2**64 - 1100, 1)


def test_drawn_seed_gives_the_same_digits_again(client: Client) -> None:
    first, other = client.generate(3, digit=4), client.generate(3, digit=4)
    assert first.seed != other.seed
    again = client.generate(3, seed=first.seed, digit=4)
    assert np.array_equal(again.images, first.images)


def test_chunks_follow_one_another(client: Client) -> None:
    chunks = list(client.generate_stream(1100, seed=7, offset=3))
    assert [(chunk.offset, len(chunk.images)) for chunk in chunks] == [(3, 512), (515, 512), (1027, 76)]


def test_digits_without_classes_have_none(classless_address: str, client_to: Callable[..., Client]) -> None:
    digits = client_to(classless_address).generate(2)
    assert isinstance(digits, GeneratedDigits)
    assert digits.classes is None


def test_models_are_told_as_the_server_tells_them(client: Client, stub: Any) -> None:
    answer = stub.ListModels(pb.ListModelsRequest()).models
    for model, expected in zip(client.models(), answer, strict=True):
        for field in pb.Model.DESCRIPTOR.fields:
            value = getattr(model, field.name)
            if value is None:
                assert not expected.HasField(field.name)
            else:
                assert (list(value) if field.is_repeated else value) == getattr(expected, field.name)


def test_server_and_its_service_serve_and_one_that_it_has_not_is_not_found(client: Client) -> None:
    assert client.is_serving()
    assert client.is_serving("digits.v1.Digits")
    with pytest.raises(NotFoundError):
        client.is_serving("digits.v1.Letters")


def test_refusal_names_the_field(client: Client) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        client.generate(1, digit=10)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.violations == {"digit": "10 is asked for, digits go from 0 to 9"}
    assert str(refused.value) == "INVALID_ARGUMENT: digit: 10 is asked for, digits go from 0 to 9"
    assert isinstance(refused.value.__cause__, grpc.RpcError)
    with pytest.raises(NotFoundError, match=r"version: 9 is not served; served are \[1, 2\]"):
        client.score(DIGIT, version=9)
    with pytest.raises(InvalidArgumentError, match="0 images are asked for"):
        client.generate(0)


def test_error_survives_the_way_to_another_process(client: Client) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        client.generate(1, digit=10)
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (str(copy), copy.violations, copy.addresses) == (
        str(refused.value), refused.value.violations, refused.value.addresses,
    )  # fmt: skip


def test_number_that_no_request_can_hold_is_a_value_error(client: Client) -> None:
    for arguments in ({"n": -1}, {"n": 1, "seed": 2**64}, {"n": 1, "offset": -1}):
        with pytest.raises(ValueError):
            client.generate(**arguments)


def test_server_that_is_not_there_is_told_with_its_address(client_to: Callable[..., Client], nobody: str) -> None:
    client = client_to(nobody)
    for call in (client.generate, client.models, client.is_serving):
        with pytest.raises(UnreachableError, match=f"no server at {nobody}, or it is going away") as away:
            call()
        assert away.value.addresses == (nobody,)


def test_async_client_is_made_within_its_event_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncClient("localhost:50051")


def test_images_may_come_asynchronously(address: str, client: Client) -> None:
    async def scores() -> list[Score]:
        async with AsyncClient(address) as asking:
            return [score async for score in asking.score_stream(slowly([DIGIT] * 70))]

    assert asyncio.run(scores()) == list(client.score_stream([DIGIT] * 70))


def test_score_is_the_versions_own(client: Client, stub: Any) -> None:
    raw = stub.Generate(pb.GenerateRequest(seed=1)).images[0]
    scores = [client.score(raw, version=version) for version in (1, 2, 0)]
    assert [score.version for score in scores] == [1, 2, 2]
    assert [score.real for score in scores] == [False, True, True]  # at two thresholds; at 0.5 none would be
    assert [score.verdict for score in scores] == [Verdict.GENERATED, Verdict.REAL_DIGIT, Verdict.REAL_DIGIT]
    for image in (raw, encode_png(np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8))):
        for version in (1, 2):
            (score,) = client.score_stream([image], version=version)
            assert score == client.score(image, version=version)
            assert score.version == version


def test_score_has_all_that_the_server_tells(client: Client, stub: Any) -> None:
    for image in stub.Generate(pb.GenerateRequest(seed=1, n=5)).images:
        expected, found = stub.Score(pb.ScoreRequest(image=image)), client.score(image)
        for field in ("real", "version", "normalised", "digit"):
            assert getattr(found, field) == getattr(expected, field)
        for field in ("real_probability", "digit_probability", "one_digit_probability"):
            assert getattr(found, field) == pytest.approx(getattr(expected, field), abs=1e-6)
        assert found.verdict == pb.Verdict.Name(expected.verdict).removeprefix("VERDICT_").lower().replace("_", " ")


def test_what_was_scored_comes_where_it_is_asked_for(client: Client) -> None:
    picture = np.kron(DIGIT, np.ones((3, 3), np.uint8))
    assert client.score(picture).scored_image is None
    score = client.score(picture, return_image=True)
    assert score.scored_image is not None
    assert score.scored_image.shape == (28, 28)
    assert score.scored_image.dtype == np.uint8
    again = client.score(score.scored_image)
    assert again.real_probability == pytest.approx(score.real_probability, abs=1e-6)
    assert score == client.score(picture)  # what was scored aside
    images = [score.scored_image for score in client.score_stream([DIGIT, picture], return_image=True)]
    assert np.array_equal(np.stack([image for image in images if image is not None]), [DIGIT, score.scored_image])


def test_nothing_found_is_told_and_is_no_probability(client: Client) -> None:
    for image in (DIGIT * np.uint8(0), np.full((90, 60), 240, np.uint8)):
        score = client.score(image, return_image=True)
        assert (score.verdict, score.real, score.real_probability) == (Verdict.NOTHING_FOUND, False, 0.0)
        assert (score.digit, score.digit_probability, score.one_digit_probability) == (None, None, None)
        assert score.scored_image is not None
        assert not score.scored_image.any()


def test_array_and_bytes_of_every_kind_score_alike(client: Client, stub: Any) -> None:
    raw = stub.Generate(pb.GenerateRequest(seed=1)).images[0]
    expected = client.score(raw)
    array = np.frombuffer(raw, np.uint8).reshape(28, 28)
    for image in (array, bytearray(raw), memoryview(raw), array.data):
        assert client.score(image) == expected


def test_array_of_another_size_is_normalised(client: Client) -> None:
    assert client.score(np.asarray(Image.fromarray(DIGIT).resize((90, 60)))).normalised
    assert not client.score(DIGIT).normalised


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (DIGIT.astype(bool), TypeError, ["bool[28, 28]", "uint8[height, width]", "np.uint8(255)"]),
        (DIGIT.astype(np.float32), TypeError, ["float32[28, 28]", "(image * 255).round().astype(np.uint8)"]),
        (DIGIT.astype(np.int64), TypeError, ["int64[28, 28]", "image.astype(np.uint8)"]),
        (np.zeros((30, 40, 3), np.uint8), ValueError, ["uint8[30, 40, 3]", "convert('L')"]),
        (np.zeros((2, 28, 28), np.uint8), ValueError, ["uint8[2, 28, 28]", "score_stream"]),
        (np.zeros(784, np.uint8), ValueError, ["uint8[784]", "uint8[height, width]"]),
        (np.zeros((0, 28), np.uint8), ValueError, ["uint8[0, 28]"]),
        ("digit.png", TypeError, ["digit.png", "path", "read_bytes"]),
        (Path("digit.png"), TypeError, ["digit.png", "path", "read_bytes"]),
        (DIGIT.tolist(), TypeError, ["list", "uint8[height, width]"]),
    ],
)
def test_what_is_no_image_is_refused_with_what_it_is_and_what_it_may_be(
    client: Client, image: Any, error: type[Exception], words: list[str]
) -> None:
    for score in (client.score, lambda image: next(client.score_stream([image]))):
        with pytest.raises(error) as refused:
            score(image)
        for word in words:
            assert word in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"a text", b"II*\0" + bytes(200), b"<svg/>"])
def test_bytes_that_are_no_picture_are_told_which_files_are(client: Client, data: bytes) -> None:
    (score,) = client.score_stream([data])
    assert f"{len(data)} bytes that are neither 784 raw ones nor a PNG" in str(score.error)
    assert (score.verdict, score.real) == (Verdict.UNSPECIFIED, False)


def test_large_images_are_answered_in_their_places_and_one_beyond_the_limit_ends_nothing(client: Client) -> None:
    generator = np.random.default_rng(0)
    large = [generator.integers(0, 256, (side, side), np.uint8) for side in (1200, 4500)]  # of 1.4 and 20 MB as PNG
    images = [DIGIT, large[0], DIGIT, large[1], *([DIGIT] * 200), large[0]]
    scores = list(client.score_stream(images))
    assert [score.normalised for score in scores] == [False, True, False, False, *([False] * 200), True]
    assert [index for index, score in enumerate(scores) if score.error] == [3]
    assert re.search(rf"larger than .*\b{16 * 2**20}\b", str(scores[3].error))
    assert scores[1] == scores[-1]
