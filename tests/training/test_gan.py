import pytest
import torch

from training.clock import Clock
from training.config import PRESETS
from training.gan import DivergedError, Gan, check_finite
from training.schedule import learning_rate_factor

CPU = torch.device("cpu")
DEFAULT = PRESETS["default"]


def test_a_class_is_asked_of_both_networks() -> None:
    gan = Gan(DEFAULT, CPU)
    z, images = torch.randn(1, 50), torch.randn(1, 784)
    one, two = torch.tensor([1]), torch.tensor([2])
    assert not torch.equal(gan.generator(z, one), gan.generator(z, two))
    assert not torch.equal(gan.discriminator(images, one), gan.discriminator(images, two))
    assert not torch.equal(gan.discriminator(images), gan.discriminator(images, two))


def test_a_weight_that_is_no_number_is_named() -> None:
    gan = Gan(DEFAULT, CPU)
    check_finite(gan.generator, gan.discriminator)
    with torch.no_grad():
        gan.discriminator.logit.bias.fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"discriminator\.logit\.bias"):
        check_finite(gan.generator, gan.discriminator)


def test_learning_rates_fall_along_a_cosine() -> None:
    factors = [learning_rate_factor(0.2, progress) for progress in (0, 1 / 3, 0.5, 1, 2)]
    assert factors == pytest.approx([1, 0.8, 0.6, 0.2, 0.2])  # the cosine of 60 degrees is a half
    assert learning_rate_factor(1.0, 0.7) == 1


def test_a_clock_tells_images_epochs_or_minutes() -> None:
    assert Clock(DEFAULT.with_options({"images": 200}), 1000, 0).progress(50) == 0.25
    assert Clock(DEFAULT.with_options({"epochs": 2}), 1000, 0).progress(1500) == 0.75
    assert Clock(DEFAULT.with_options({"minutes": 1}), 1000, elapsed_s=61).progress(0) > 1  # earlier parts count
    assert Clock(DEFAULT.with_options({"minutes": 1000}), 1000, elapsed_s=0).progress(10**9) < 1
