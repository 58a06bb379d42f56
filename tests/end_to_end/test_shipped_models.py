"""The pretrained pair in `models/`, served as a newcomer's `make serve` does."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.quality import detector_auroc
from protos.digits.v1 import digits_pb2 as pb
from training.data import DataSet

pytestmark = pytest.mark.any_transport
MODELS = Path(__file__).parents[2] / "models"
COUNT = 1000


@pytest.fixture
def shipped(start_server: Callable[..., Any], connect: Callable[[str], Any]) -> Iterator[Any]:
    return connect(start_server(repository=MODELS).address)


def scores(stub: Any, images: list[bytes]) -> torch.Tensor:
    answers = stub.ScoreStream(pb.ScoreRequest(image=image) for image in images)
    return torch.tensor([answer.real_probability for answer in answers])


def test_the_detector_tells_real_test_digits_from_generated_ones(shipped: Any, mnist: DataSet) -> None:
    generated = list(shipped.Generate(pb.GenerateRequest(seed=20_261_123, n=COUNT)).images)
    real = [image.numpy().tobytes() for image in mnist.test.images[:COUNT]]
    assert detector_auroc(scores(shipped, real), scores(shipped, generated)) >= 0.9


def test_its_digits_are_recognised_as_what_was_asked_for(shipped: Any) -> None:
    response = shipped.Generate(pb.GenerateRequest(seed=20_261_123, n=COUNT))
    images = np.frombuffer(b"".join(response.images), np.uint8).reshape(COUNT, 28, 28).copy()
    _, recognised = features_and_digits(shipped_classifier(), torch.from_numpy(images))
    assert (recognised == torch.tensor(list(response.digits))).double().mean() >= 0.98


def test_its_metadata_says_how_it_was_trained_and_what_it_scored() -> None:
    for model in ("generator", "discriminator"):
        (path,) = (MODELS / model).glob("*/model.onnx")
        entries = onnx.load(path).metadata_props
        metadata = {entry.key.removeprefix("digitforge."): entry.value for entry in entries}
        assert metadata["dataset"] == "mnist"
        for commit in metadata["source_commit"].split(", "):
            assert len(commit) == 40  # a commit, and nothing changed in it
        assert json.loads(metadata["config"])["batch_size"] == 128
        quality = json.loads(metadata["quality"])
        assert quality["test_images"] == 10_000
        assert quality["auroc"] >= 0.9
