"""The client for Python: what it takes for an image, and what it refuses before a server is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digitforge.client import DigitsClient
from digitforge.pictures.png import encode_png
from protos.digits.v1 import digits_pb2 as pb

DIGIT = np.zeros((28, 28), np.uint8)


@pytest.fixture
def client(address: str) -> Iterator[DigitsClient]:
    with DigitsClient(address) as client:
        yield client


@pytest.mark.parametrize("asked", [{"offset": 3, "version": 1}, {"digit": 4}])
def test_generated_digits_are_what_the_server_gives(client: DigitsClient, stub: Any, asked: dict[str, Any]) -> None:
    expected = stub.Generate(pb.GenerateRequest(seed=7, n=1100, **asked))
    digits = client.generate(1100, seed=7, **asked)  # more than a chunk
    assert digits.images.dtype == np.uint8
    assert digits.images.shape == (1100, 28, 28)
    assert digits.images.tobytes() == b"".join(expected.images)
    assert digits.classes is not None
    assert digits.classes.tolist() == list(expected.digits)
    assert (digits.seed, digits.offset, digits.version) == (7, expected.offset, expected.version)


def test_generated_digits_say_what_to_ask_for_to_get_them_again(client: DigitsClient) -> None:
    drawn = client.generate(2)
    again = client.generate(1, seed=drawn.seed, offset=1, version=drawn.version)
    assert np.array_equal(again.images[0], drawn.images[1])


def test_stream_gives_the_same_in_chunks(client: DigitsClient) -> None:
    whole = client.generate(1100, seed=7, offset=3)
    chunks = list(client.generate_stream(1100, seed=7, offset=3))
    assert [(chunk.offset, len(chunk.images)) for chunk in chunks] == [(3, 512), (515, 512), (1027, 76)]
    assert np.array_equal(np.concatenate([chunk.images for chunk in chunks]), whole.images)


def test_digits_of_a_model_without_classes_have_none(classless_address: str) -> None:
    with DigitsClient(classless_address) as client:
        assert client.generate(3).classes is None


def test_verdict_is_the_versions_own(client: DigitsClient, stub: Any) -> None:
    raw = stub.Generate(pb.GenerateRequest(seed=1)).images[0]
    verdicts = [client.score(raw, version=version) for version in (1, 2, 0)]
    assert [verdict.version for verdict in verdicts] == [1, 2, 2]
    assert [verdict.real for verdict in verdicts] == [False, True, True]  # at two thresholds; at 0.5 none would be
    for image in (raw, encode_png(np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8))):
        for version in (1, 2):
            (verdict,) = client.score_stream([image], version=version)
            assert verdict == client.score(image, version=version)
            assert verdict.version == version


def test_array_and_bytes_of_every_kind_score_alike(client: DigitsClient, stub: Any) -> None:
    raw = stub.Generate(pb.GenerateRequest(seed=1)).images[0]
    expected = client.score(raw)
    array = np.frombuffer(raw, np.uint8).reshape(28, 28)
    for image in (array, bytearray(raw), memoryview(raw), array.data):
        assert client.score(image) == expected


def test_array_of_another_size_is_normalised(client: DigitsClient) -> None:
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
    client: DigitsClient, image: Any, error: type[Exception], words: list[str]
) -> None:
    for score in (client.score, lambda image: next(client.score_stream([image]))):
        with pytest.raises(error) as refused:
            score(image)
        for word in words:
            assert word in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"a text", b"II*\0" + bytes(200), b"<svg/>"])
def test_bytes_that_are_no_picture_are_told_which_files_are(client: DigitsClient, data: bytes) -> None:
    (verdict,) = client.score_stream([data])
    assert f"{len(data)} bytes that are neither 784 raw ones nor a PNG" in str(verdict.error)


def test_large_images_are_answered_in_their_places_and_one_beyond_the_limit_ends_nothing(client: DigitsClient) -> None:
    generator = np.random.default_rng(0)
    large = [generator.integers(0, 256, (side, side), np.uint8) for side in (1200, 4500)]  # of 1.4 and 20 MB as PNG
    images = [DIGIT, large[0], DIGIT, large[1], *([DIGIT] * 200), large[0]]
    verdicts = list(client.score_stream(images))
    assert [verdict.normalised for verdict in verdicts] == [False, True, False, False, *([False] * 200), True]
    assert [index for index, verdict in enumerate(verdicts) if verdict.error] == [3]
    assert "is larger than the limit of" in str(verdicts[3].error)
    assert verdicts[1] == verdicts[-1]
