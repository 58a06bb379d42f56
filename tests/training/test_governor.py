"""A network that runs ahead or lags behind is brought back to the pace at which training is known to work."""

import pytest
import torch

from training.config import PRESETS
from training.data import DataSet
from training.gan import Gan
from training.governor import FASTEST, NETWORKS, SLOWEST, Governor

CPU = torch.device("cpu")
DEFAULT = PRESETS["default"]


def trained(data: DataSet, steps: int, **options: object) -> tuple[Gan, Governor]:
    """A pair after some governed steps."""
    gan = Gan(DEFAULT.with_options(options), CPU)
    governor = Governor(gan)
    rng = torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randint(len(data.fit), (gan.config.step_size,), generator=rng)
        latents = torch.randn(len(rows), gan.config.latent_size, generator=rng)
        gan.set_learning_rates(governor.rates["generator"], governor.rates["discriminator"])
        governor.before_step(gan)
        gan.step(data.fit.images[rows], data.fit.labels[rows], latents, None)
        governor.after_step(gan, {"generator": 1.0, "discriminator": 1.0})
    return gan, governor


def test_an_undisturbed_run_is_left_alone(small_digits: DataSet) -> None:
    _, governor = trained(small_digits, 60)
    assert governor.rates == {"generator": 1.0, "discriminator": 1.0}
    assert governor.news() is None


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_wrong_learning_rate_is_corrected_from_the_first_step(
    network: str, factor: float, small_digits: DataSet
) -> None:
    rate = getattr(DEFAULT, f"{network}_lr") * factor
    _, governor = trained(small_digits, 1, **{f"{network}_lr": rate})
    assert governor.rates[network] * factor == pytest.approx(FASTEST if factor > 1 else SLOWEST, rel=0.02)
    (other,) = set(NETWORKS) - {network}
    assert governor.rates[other] == 1.0
    assert f"the {network} was too {'fast' if factor > 1 else 'slow'}" in str(governor.news())


@pytest.mark.parametrize("batch_size", [16, 256, 1024])
def test_another_batch_size_is_no_reason_to_correct(batch_size: int, small_digits: DataSet) -> None:
    _, governor = trained(small_digits, 30, batch_size=batch_size)
    assert governor.rates == {"generator": 1.0, "discriminator": 1.0}


def test_an_ungoverned_run_is_left_alone(small_digits: DataSet) -> None:
    _, governor = trained(small_digits, 30, generator_pace=0, discriminator_pace=0, discriminator_lr=3e-2)
    assert governor.rates == {"generator": 1.0, "discriminator": 1.0}


def test_after_a_failure_the_faster_network_is_slowed_down_for_good(small_digits: DataSet) -> None:
    gan, governor = trained(small_digits, 1)
    governor.paces = {"generator": 1.3, "discriminator": 0.9}
    assert governor.after_failure() == "generator"
    assert governor.rates == {"generator": 0.5, "discriminator": 1.0}

    other = Governor(gan)
    other.load_state_dict(governor.state_dict())
    assert other.state_dict() == governor.state_dict()
