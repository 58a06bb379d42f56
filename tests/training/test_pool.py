"""The pool of images that were sent as picture files."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from evaluation.journeys import JOURNEYS
from training import pool as module
from training.data import DataSet, LabelledImages
from training.fakes.no_digits import NoDigits
from training.pool import Pool, make_pool


class Given:
    """A kind of fakes that are there already."""

    def __init__(self, fakes: Tensor) -> None:
        self.fakes = fakes

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        return self.fakes[:count]


@pytest.fixture(scope="module")
def no_digits(small_digits: DataSet) -> NoDigits:
    return NoDigits(small_digits.fit.images, True, torch.Generator().manual_seed(0), letters=30)


def pool_of(data: DataSet, no_digits: NoDigits, seed: int = 0, looks: list[int] | None = None) -> Pool:
    fakes = {"own": Given(data.test.images), "other": Given(data.test.images.flip(0))}
    tick = (looks if looks is not None else []).append
    return make_pool(data.fit, fakes, {"own": 3.0, "other": 1.0}, no_digits, 32, seed, lambda: tick(1))


def test_a_pool_holds_both_classes_and_outliers_and_is_the_same_for_a_seed(
    small_digits: DataSet, no_digits: NoDigits
) -> None:
    looks: list[int] = []
    pool = pool_of(small_digits, no_digits, looks=looks)
    assert len(looks) == 32 + 32 + 16
    assert 20 <= len(pool.real) <= 32
    assert len(pool.real.labels) == len(pool.real.images)
    assert 20 <= sum(map(len, pool.fakes.values())) <= 32
    assert len(pool.fakes["own"]) > len(pool.fakes["other"]) > 0
    assert 4 <= len(pool.no_digits) <= 16
    again, other = (pool_of(small_digits, no_digits, seed).state_dict() for seed in (0, 1))
    for state, same in ((again, True), (other, False)):
        assert torch.equal(pool.real.images, state["real"]["images"]) == same
    restored = Pool.of_state(again)
    assert all(torch.equal(images, restored.fakes[name]) for name, images in pool.fakes.items())
    assert torch.equal(restored.real.labels, pool.real.labels)


def test_an_image_keeps_its_label_where_others_are_not_found(
    small_digits: DataSet, no_digits: NoDigits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journey on which every image with a bright corner is lost, and others stay as they are."""
    some = LabelledImages(small_digits.fit.images[:60].clone(), small_digits.fit.labels[:60])
    data = replace(small_digits, fit=some)
    data.fit.images[::2, 13, 13] = 255
    data.fit.images[1::2, 13, 13] = 0

    def travel(image: object, journey: object, chance: object) -> object:
        pixels = torch.as_tensor(image)
        return (pixels if pixels.shape == (28, 28) and pixels[13, 13] == 0 else 0 * pixels[:28, :28]).numpy()

    monkeypatch.setattr(module, "travel", travel)
    pool = pool_of(data, no_digits)
    kept = {image.numpy().tobytes(): int(label) for image, label in zip(*vars(data.fit).values(), strict=True)}
    assert 0 < len(pool.real) < 32
    for image, label in zip(pool.real.images, pool.real.labels, strict=True):
        assert image[13, 13] == 0
        assert kept[image.numpy().tobytes()] == int(label)


def test_only_what_somebody_wrote_goes_past_a_camera(
    small_digits: DataSet, no_digits: NoDigits, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = {image.numpy().tobytes() for image in small_digits.test.images}
    journeys: dict[bool, set[str]] = {True: set(), False: set()}

    def travel(image: Any, journey: Any, chance: object) -> Any:
        journeys[image.tobytes() in fakes].add(journey.__name__)
        return np.ones((28, 28), np.uint8)

    monkeypatch.setattr(module, "travel", travel)
    pool_of(small_digits, no_digits)
    assert journeys[False] == set(JOURNEYS)
    assert journeys[True] == {"sent", "enlarged", "bordered", "shown"}


def test_paper_that_was_taken_for_ink_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.zeros(28, 28, dtype=torch.uint8).numpy()
    for level, found in ((0, False), (30, True), (200, False)):
        answer = image + level
        answer[10:18, 10:18] = level and 255
        monkeypatch.setattr(module, "travel", lambda *_, answer=answer: answer)
        assert (module._sent(image, module.SHARES, module.np.random.default_rng(0)) is not None) == found  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [1, 15])
def test_a_small_pool_has_no_outliers(small_digits: DataSet, no_digits: NoDigits, count: int) -> None:
    fakes = {"own": Given(small_digits.test.images)}
    pool = make_pool(small_digits.fit, fakes, {"own": 1.0}, no_digits, count, 0, lambda: None)
    assert len(pool.real) <= count
    assert len(pool.no_digits) == 0
