"""A network that runs ahead or lags behind is brought back to the pace at which training is known to work."""

import copy
import math

import pytest
import torch

from training.config import PRESETS
from training.data import DataSet
from training.gan import Gan
from training.governor import FASTEST, LOOK_STEPS, NETWORKS, SLOWEST, Governor

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
    _, governor = trained(small_digits, LOOK_STEPS + 1)  # with a second look
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
    _, governor = trained(small_digits, 1, batch_size=batch_size)
    assert governor.rates == {"generator": 1.0, "discriminator": 1.0}


def test_an_ungoverned_run_is_left_alone(small_digits: DataSet) -> None:
    _, governor = trained(small_digits, 1, generator_pace=0, discriminator_pace=0, discriminator_lr=3e-2)
    assert governor.rates == {"generator": 1.0, "discriminator": 1.0}


def test_after_a_failure_the_faster_network_is_slowed_down_for_good(small_digits: DataSet) -> None:
    gan, governor = trained(small_digits, 1)
    governor.paces = {"generator": 1.3, "discriminator": 0.9}
    assert governor.after_failure() == "generator"
    assert governor.rates == {"generator": 0.5, "discriminator": 1.0}

    assert governor.paces == {}
    assert governor.news() is None  # the failure is told by itself

    other = Governor(gan)
    other.load_state_dict(governor.state_dict())
    assert other.state_dict() == governor.state_dict()


def test_where_no_pace_is_known_or_both_are_equal_both_networks_are_slowed_down(small_digits: DataSet) -> None:
    paces: dict[str, float]
    for paces in ({}, {"generator": 1.5, "discriminator": 1.5}, {"generator": math.inf, "discriminator": math.inf}):
        _, governor = trained(small_digits, 0)
        governor.paces = paces
        assert governor.after_failure() == "generator and the discriminator"
        assert governor.rates == {"generator": 0.5, "discriminator": 0.5}


ROOT = 2**0.5  # a step of twice the images that the rates are for is so much longer
AS_PLANNED = {"generator": 1.0, "discriminator": 1.0}


@pytest.fixture
def pair() -> tuple[Gan, Governor]:
    """A small pair with a batch of twice the images that its rates are for."""
    small = {"generator_channels": 0, "generator_hidden": (8, 8), "discriminator_hidden": (8,)}
    known = {"generator_pace": 0.01, "discriminator_pace": 0.02}
    gan = Gan(DEFAULT.with_options({"batch_size": 256, **small, **known}), CPU)
    return gan, Governor(gan)


def change(gan: Gan, governor: Governor, step: int, schedules: dict[str, float], **shares: float) -> None:
    """A step that changes every matrix of a network by a share of itself; its vectors are not looked at."""
    gan.steps = step
    governor.before_step(gan)
    with torch.no_grad():
        for name, share in shares.items():
            for parameter in getattr(gan, name).parameters():
                parameter.mul_(1 + share if parameter.dim() > 1 else 100)
    gan.steps += 1
    governor.after_step(gan, schedules)


def test_a_pace_is_a_change_beside_the_weights_at_the_start_and_smoothed(pair: tuple[Gan, Governor]) -> None:
    gan, governor = pair
    schedules = {"generator": 0.5, "discriminator": 0.25}
    change(gan, governor, LOOK_STEPS, schedules, generator=1.0, discriminator=0.02)
    first = {"generator": 1 / (0.01 * 0.5 * ROOT), "discriminator": 0.02 / (0.02 * 0.25 * ROOT)}
    assert governor.paces == pytest.approx(first, rel=1e-4)
    change(gan, governor, 2 * LOOK_STEPS, AS_PLANNED, generator=0.01, discriminator=0.0)  # of twice what it was
    second = {"generator": 0.02 / (0.01 * ROOT), "discriminator": 0.0}
    smoothed = {name: 0.8 * first[name] + 0.2 * second[name] for name in NETWORKS}
    assert governor.paces == pytest.approx(smoothed, rel=1e-4)
    assert governor.rates == AS_PLANNED  # later paces are watched only


def test_only_every_tenth_step_is_looked_at(pair: tuple[Gan, Governor]) -> None:
    gan, governor = pair
    for step in (1, 5, 9, 11):
        change(gan, governor, step, AS_PLANNED, generator=0.3, discriminator=0.3)
    assert governor.paces == {}
    change(gan, governor, 20, AS_PLANNED, generator=0.3, discriminator=0.3)
    assert governor.paces.keys() == set(NETWORKS)


@pytest.mark.parametrize(("share", "limit"), [(0.05 * ROOT, 1.25), (0.002 * ROOT, 0.8)])
def test_a_first_step_out_of_the_band_is_taken_back_and_its_rate_leads_to_the_edge(
    share: float, limit: float, pair: tuple[Gan, Governor]
) -> None:
    gan, governor = pair
    before = copy.deepcopy(gan)
    change(gan, governor, 0, AS_PLANNED, generator=share, discriminator=0.02 * ROOT)
    assert governor.paces == pytest.approx({"generator": limit, "discriminator": 1}, rel=1e-3)
    assert governor.rates == pytest.approx({"generator": limit * 0.01 * ROOT / share, "discriminator": 1}, rel=1e-3)
    for weight, old in zip(gan.generator.parameters(), before.generator.parameters(), strict=True):
        assert weight.dim() == 1 or torch.equal(weight, old)
    assert not torch.equal(gan.discriminator.logit.weight, before.discriminator.logit.weight)


@pytest.mark.parametrize(("share", "pace"), [(math.nan, math.inf), (math.inf, math.inf), (0.0, 0.0)])
def test_a_first_step_that_cannot_be_corrected_is_left_as_it_is(
    share: float, pace: float, pair: tuple[Gan, Governor]
) -> None:
    gan, governor = pair
    change(gan, governor, 0, AS_PLANNED, generator=share)
    assert governor.paces["generator"] == pace
    assert governor.rates == AS_PLANNED
    assert governor.news() is None


def test_what_was_corrected_is_told_once(pair: tuple[Gan, Governor]) -> None:
    gan, governor = pair
    change(gan, governor, 0, AS_PLANNED, generator=0.05 * ROOT, discriminator=0.004 * ROOT)
    assert governor.news() == (
        "the generator was too fast: its learning rate is now 0.25 x; "
        "the discriminator was too slow: its learning rate is now 4 x"
    )
    assert governor.news() is None
