"""To a picture file and back."""

import numpy as np
import pytest
import torch
from torch import Tensor

from evaluation.journeys import JOURNEYS, travel, travelled
from tests.picture_files import ring


@pytest.fixture(scope="module")
def digits() -> Tensor:
    chance = np.random.default_rng(0)
    return torch.from_numpy(np.stack([(ring() * chance.uniform(0.8, 1)).round().astype(np.uint8) for _ in range(12)]))


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_journey_ends_in_mnists_form_and_is_the_same_for_a_seed(name: str, digits: Tensor) -> None:
    found = travelled(digits, JOURNEYS[name], 3)
    assert found.shape == (12, 28, 28)
    assert found.dtype == torch.uint8
    assert torch.equal(found[:4], travelled(digits[:4], JOURNEYS[name], 3))
    assert not torch.equal(found, travelled(digits, JOURNEYS[name], 4))
    there = found.flatten(1).amax(1) > 0
    assert there.double().mean() > 0.6
    edge = torch.stack([found[:, 0], found[:, -1], found[:, :, 0], found[:, :, -1]])
    assert (edge[:, there].double().mean(dim=(0, 2)) < 60).double().mean() > 0.7  # ink on black


def test_what_is_sent_comes_back_much_as_it_was(digits: Tensor) -> None:
    found = travelled(digits, JOURNEYS["sent"], 0)
    assert (found.double() - digits.double()).abs().mean() < 10


def test_a_page_of_any_size_travels_too() -> None:
    page = np.concatenate([ring(), ring(), ring()], axis=1)
    for name, journey in JOURNEYS.items():
        assert travel(page, journey, np.random.default_rng(1)).shape == (28, 28), name


def test_nothing_travels_as_nothing() -> None:
    assert travelled(torch.empty(0, 28, 28, dtype=torch.uint8), JOURNEYS["sent"], 0).shape == (0, 28, 28)
