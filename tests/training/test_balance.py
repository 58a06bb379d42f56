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


def test_a_reading_counts_for_a_fifth_and_the_accuracies_for_half_each() -> None:
    balance = Balance()
    for real, fake in ((0.6, 0.6), (1.0, 0.8)):
        balance.look({"d_real_accuracy": real, "d_fake_accuracy": fake, "diversity": real})
    expected = {"d_real_accuracy": 0.68, "d_fake_accuracy": 0.64, "diversity": 0.68}
    assert balance.state_dict()["smoothed"] == pytest.approx(expected)
    for real, fake, state in (
        (1.0, 0.92, DISCRIMINATOR_TOO_STRONG),
        (1.0, 0.88, None),
        (0.92, 1.0, DISCRIMINATOR_TOO_STRONG),
    ):
        balance = Balance()
        reading = {"d_real_accuracy": real, "d_fake_accuracy": fake, "diversity": 1.0}
        assert [balance.look(reading) for _ in range(FIRST_READINGS)][-1] == state


@pytest.mark.parametrize(
    ("state", "limit", "over"),
    [(DISCRIMINATOR_TOO_STRONG, 0.95, -1), (GENERATOR_TOO_STRONG, 0.52, 1), (MODE_COLLAPSE, 0.5, 1)],
)
def test_an_imbalance_is_over_once_the_reading_is_back_by_a_margin(state: str, limit: float, over: int) -> None:
    """From the limit on, and from there by 0.02 to the other side."""
    steps = []
    for beyond in (-0.001, 0.001):
        value = limit + over * beyond
        steps.append(look(Balance(), *((0.7, value) if state == MODE_COLLAPSE else (value, 1.0))))
    assert steps == [[state], []]
    for back, told in ((0.019, []), (0.021, [BALANCED])):
        balance = Balance()
        look(balance, *((0.7, 0.1) if state == MODE_COLLAPSE else (limit - over * 0.05, 1.0)))
        value = limit + over * back
        assert look(balance, *((0.7, value) if state == MODE_COLLAPSE else (value, 1.0)), times=200) == told


def test_nothing_is_said_of_the_first_readings() -> None:
    balance = Balance()
    assert look(balance, 1.0, times=FIRST_READINGS - 1) == []
    assert look(balance, 1.0, times=1) == [DISCRIMINATOR_TOO_STRONG]


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


def test_diversity_is_the_root_of_the_mean_variance_of_a_pixel() -> None:
    images = torch.zeros(4, 784)
    images[:, 0] = torch.tensor([1.0, 10.0, 3.0, 16.0])  # of the kinds 0, 1, 0, 1: variances 2 and 18
    assert diversity(images, 2) == pytest.approx(((2 + 18) / 2 / 784) ** 0.5)
    assert diversity(images, 0) == pytest.approx((47 / 784) ** 0.5)  # of all four 47


def test_diversity_of_real_images_takes_as_many_of_every_class_and_no_more_than_it_needs() -> None:
    few, many = torch.tensor([[1.0], [3.0]]), torch.arange(300.0)[:, None]
    images = torch.cat([few, many, torch.full((3, 1), 5.0)]).expand(-1, 784)
    digits = torch.tensor([0] * 2 + [1] * 300 + [2] * 3)
    assert diversity_of_real(images, digits, 3) == pytest.approx(((2 + 0.5 + 0) / 3) ** 0.5)  # of two of each
    ramp = torch.arange(1500.0)[:, None].expand(-1, 784)
    for classes in (0, 1):
        assert diversity_of_real(ramp, torch.zeros(1500), classes) == pytest.approx(float(ramp[:1000, 0].std()))


def test_diversity_of_real_images_sorts_them_by_class() -> None:
    rng = torch.Generator().manual_seed(0)
    digits = torch.randint(10, (500,), generator=rng)
    images = torch.randn(10, 784, generator=rng)[digits]
    assert diversity_of_real(images, digits, 10) == pytest.approx(0, abs=1e-6)
    assert diversity_of_real(images, digits, 0) > 0.8


@pytest.mark.parametrize("classes", range(1, 11))
def test_diversity_is_within_a_class_however_many_there_are(classes: int) -> None:
    levels = torch.arange(100).remainder(classes).float()[:, None].expand(-1, 784)
    noise = torch.randn(100, 784, generator=torch.Generator().manual_seed(0))
    assert diversity(levels + noise, classes) == pytest.approx(1, abs=0.02)
