"""The trainer names an imbalance in plain words, once, and says when it is over."""

import pytest
import torch

from training.balance import (
    BALANCED,
    DISCRIMINATOR_TOO_STRONG,
    FIRST_READINGS,
    GENERATOR_TOO_STRONG,
    MODE_COLLAPSE,
    Balance,
    diversity,
    diversity_of_real,
)


def reading(accuracy: float, diversity: float = 1.0) -> dict[str, float]:
    return {"d_real_accuracy": accuracy, "d_fake_accuracy": accuracy, "diversity": diversity}


def look(balance: Balance, accuracy: float, diversity: float = 1.0, times: int = 30) -> list[str]:
    states = (balance.look(reading(accuracy, diversity)) for _ in range(times))
    return [state for state in states if state]


@pytest.mark.parametrize(
    ("accuracy", "diversity", "state"),
    [(0.99, 1.0, DISCRIMINATOR_TOO_STRONG), (0.5, 1.0, GENERATOR_TOO_STRONG), (0.7, 0.2, MODE_COLLAPSE)],
)
def test_an_imbalance_is_named_once_and_its_end_too(accuracy: float, diversity: float, state: str) -> None:
    balance = Balance()
    assert look(balance, 0.7) == []
    assert look(balance, accuracy, diversity) == [state]
    assert look(balance, 0.7) == [BALANCED]


def test_a_single_odd_reading_is_no_imbalance() -> None:
    balance = Balance()
    look(balance, 0.7)
    assert look(balance, 1.0, times=1) == []
    assert look(balance, 0.7) == []


def test_nothing_is_said_of_the_first_readings() -> None:
    assert look(Balance(), 1.0, times=FIRST_READINGS - 1) == []


def test_it_goes_on_from_a_saved_state() -> None:
    whole, parts = Balance(), Balance()
    look(whole, 0.7)
    look(parts, 0.7)
    resumed = Balance()
    resumed.load_state_dict(parts.state_dict())
    for accuracy in (1.0, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        assert whole.look(reading(accuracy)) == resumed.look(reading(accuracy))
        assert whole.state_dict() == resumed.state_dict()


def test_diversity_is_that_within_a_class() -> None:
    rng = torch.Generator().manual_seed(0)
    classes = torch.randn(10, 784, generator=rng).repeat(10, 1)  # every class its one image: nothing within it
    assert diversity(classes, 10) == pytest.approx(0, abs=1e-6)
    assert diversity(classes, 0) > 0.9
    noise = torch.randn(100, 784, generator=rng)
    assert diversity(noise, 10) == pytest.approx(1, rel=0.02)


def test_diversity_of_real_images_sorts_them_by_class() -> None:
    rng = torch.Generator().manual_seed(0)
    digits = torch.randint(10, (500,), generator=rng)
    images = torch.randn(10, 784, generator=rng)[digits]
    assert diversity_of_real(images, digits, 10) == pytest.approx(0, abs=1e-6)
    assert diversity_of_real(images, digits, 0) > 0.8
