import copy

import pytest
import torch

from training.clock import Clock
from training.config import PRESETS
from training.data import DataSet
from training.gan import DivergedError, Gan, check_finite
from training.schedule import learning_rate_factor

CPU = torch.device("cpu")
DEFAULT = PRESETS["default"]


def step(gan: Gan, data: DataSet, seed: int = 0) -> None:
    latents = torch.randn(64, gan.config.latent_size, generator=torch.Generator().manual_seed(seed))
    gan.step(data.fit.images[:64], data.fit.labels[:64], latents, None)


def test_the_average_follows_the_generator_at_its_half_life(small_digits: DataSet) -> None:
    gan = Gan(DEFAULT.with_options({"ema_half_life": 1000, "ema_ramp": 1.0}), CPU)
    before = gan.ema.first.weight.clone()
    step(gan, small_digits)
    gan.update_ema(batch_size=1000, images_seen=10**9)  # a half-life of images: half of the way
    torch.testing.assert_close(gan.ema.first.weight, (before + gan.generator.first.weight) / 2)
    gan.update_ema(batch_size=100, images_seen=100)  # early on the half-life is the images seen, here a batch
    torch.testing.assert_close(gan.ema.first.weight, before / 4 + gan.generator.first.weight * 3 / 4)


def test_a_class_is_asked_of_both_networks(small_digits: DataSet) -> None:
    gan = Gan(DEFAULT, CPU)
    z, images = torch.randn(1, 50), torch.randn(1, 784)
    one, two = torch.tensor([1]), torch.tensor([2])
    assert not torch.equal(gan.generator(z, one), gan.generator(z, two))
    assert not torch.equal(gan.discriminator(images, one), gan.discriminator(images, two))
    assert not torch.equal(gan.discriminator(images), gan.discriminator(images, two))


def test_the_penalty_comes_every_so_many_steps(small_digits: DataSet) -> None:
    pairs = [Gan(DEFAULT.with_options({"r1_gamma": gamma, "r1_interval": 3}), CPU) for gamma in (0, 100)]
    for number in range(4):
        state = copy.deepcopy(pairs[0].state_dict())
        for gan in pairs:
            gan.load_state_dict(copy.deepcopy(state))  # the same before: only this step may differ
            step(gan, small_digits, seed=number)
        same = torch.equal(pairs[0].discriminator.logit.weight, pairs[1].discriminator.logit.weight)
        assert same == (number % 3 != 0)


def test_a_weight_that_is_no_number_is_named() -> None:
    gan = Gan(DEFAULT, CPU)
    check_finite(gan.generator, gan.discriminator)
    with torch.no_grad():
        gan.discriminator.logit.bias.fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"discriminator\.logit\.bias"):
        check_finite(gan.generator, gan.discriminator)


def test_learning_rates_fall_along_a_cosine() -> None:
    assert [learning_rate_factor(0.2, progress) for progress in (0, 0.5, 1, 2)] == pytest.approx([1, 0.6, 0.2, 0.2])
    assert learning_rate_factor(1.0, 0.7) == 1


def test_a_clock_tells_images_epochs_or_minutes() -> None:
    assert Clock(DEFAULT.with_options({"images": 200}), 1000, 0).progress(50) == 0.25
    assert Clock(DEFAULT.with_options({"epochs": 2}), 1000, 0).progress(1500) == 0.75
    assert Clock(DEFAULT.with_options({"minutes": 1}), 1000, elapsed_s=61).progress(0) > 1  # earlier parts count
    assert Clock(DEFAULT.with_options({"minutes": 1000}), 1000, elapsed_s=0).progress(10**9) < 1
