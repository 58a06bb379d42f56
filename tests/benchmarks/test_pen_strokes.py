"""Pictures drawn from the strokes of real digits, and what normalisation makes of them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.pen_strokes import CANVAS, KINDS, Picture, normalised, pen_strokes
from benchmarks.score_pictures import looks
from evaluation.classifier import features_and_digits, shipped_classifier
from training.data import DataSet

COUNT = 200


@pytest.fixture(scope="module")
def pictures(mnist: DataSet) -> list[Picture]:
    return pen_strokes(mnist.test.images.numpy(), mnist.test.labels.numpy(), COUNT, seed=1)


def test_pictures_are_files_of_many_kinds_and_sizes(pictures: list[Picture]) -> None:
    images = [Image.open(io.BytesIO(picture.data)) for picture in pictures]
    assert {image.format for image in images} == {"JPEG", "PNG"}
    assert {image.mode for image in images} == {"RGB", "RGBA", "L", "P"}
    assert {picture.kind for picture in pictures} == set(KINDS)
    sides = [side for image in images for side in image.size]
    assert min(sides) >= CANVAS[0]
    assert max(sides) <= CANVAS[1]
    assert min(sides) < 250
    assert max(sides) > 900


def test_picture_depends_on_its_seed_and_its_place_alone(mnist: DataSet, pictures: list[Picture]) -> None:
    images, labels = mnist.test.images.numpy(), mnist.test.labels.numpy()
    assert pen_strokes(images, labels, 3, seed=1) == pictures[:3]
    assert pen_strokes(images, labels, 1, seed=2) != pictures[:1]


def test_pictures_are_recognised_after_normalisation(mnist: DataSet, pictures: list[Picture]) -> None:
    _, digits = features_and_digits(shipped_classifier(), torch.from_numpy(normalised(pictures)))
    assert (digits == mnist.test.labels[:COUNT]).double().mean() >= 0.97


def test_normalised_pictures_look_like_mnist(mnist: DataSet, pictures: list[Picture]) -> None:
    found, expected = looks(normalised(pictures)), looks(mnist.test.images[:COUNT].numpy())
    assert found["mean_ink"] == pytest.approx(expected["mean_ink"], rel=0.1)
    assert found["stroke_width"] == pytest.approx(expected["stroke_width"], rel=0.1)
    for centre in ("centre_row", "centre_column"):
        assert found[centre] == pytest.approx(expected[centre], abs=0.1)


def test_the_kinds_are_told_apart_by_their_colours(pictures: list[Picture]) -> None:
    def border(picture: Picture) -> float:
        return float(np.asarray(Image.open(io.BytesIO(picture.data)).convert("L"))[0].mean())

    assert max(border(picture) for picture in pictures if picture.kind == "chalk") < 100
    assert min(border(picture) for picture in pictures if picture.kind == "scan") > 200
