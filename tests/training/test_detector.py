"""The detector stage."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evaluation.calibration import fit_platt
from evaluation.detector_quality import treated_images
from evaluation.quality import detector_auroc
from evaluation.treatments import treated
from tests.training.tiny_runs import CPU, SMALL
from training.batches import Batches
from training.config import PRESETS
from training.data import DataSet
from training.detector import (
    CALIBRATION_SEED,
    OWN,
    SEED,
    SHARES,
    SNAPSHOTS,
    Calibration,
    calibrate,
    fit,
    logits_of,
    make_fakes,
    train_detector,
)
from training.fakes.generators import Generated
from training.fakes.kind import mixed
from training.fakes.shipped import FAMILIES
from training.gan import Gan
from training.interrupts import StopRequest
from training.losses import discriminator_loss
from training.networks import Detector

CONFIG = PRESETS["default"].with_options(SMALL | {"detector_images": 1280, "detector_channels": 4, "bfloat16": False})


class Stopped(StopRequest):
    def __bool__(self) -> bool:
        return True


@pytest.fixture(scope="module")
def gan() -> Gan:
    return Gan(CONFIG, CPU)


@pytest.fixture(scope="module")
def stage(gan: Gan, small_digits: DataSet) -> tuple[Detector, Calibration]:
    trained = train_detector(CONFIG, gan.discriminator, gan.ema, [], small_digits, StopRequest())
    assert trained is not None
    detector, calibration = trained
    assert isinstance(detector, Detector)
    assert calibration is not None
    return detector, calibration


def test_the_detector_tells_its_generators_fakes_from_digits_that_it_has_not_seen(
    stage: tuple[Detector, Calibration], gan: Gan, small_digits: DataSet
) -> None:
    real = small_digits.test.images
    fakes = Generated(gan.ema, CONFIG).images(len(real), torch.Generator().manual_seed(9))
    assert detector_auroc(*(logits_of(stage[0], CONFIG, images) for images in (real, fakes))) > 0.95


def test_the_stage_leaves_the_pair_alone_and_its_detector_ready_to_serve(
    stage: tuple[Detector, Calibration], gan: Gan
) -> None:
    fresh = Gan(CONFIG, CPU)
    for network, untouched in ((gan.ema, fresh.ema), (gan.discriminator, fresh.discriminator)):
        weights = untouched.state_dict()
        assert all(torch.equal(weight, weights[name]) for name, weight in network.state_dict().items())
    assert not stage[0].training
    assert all(weight.is_contiguous() for weight in stage[0].state_dict().values())


def test_it_is_calibrated_on_the_held_out_digits_and_as_many_fresh_fakes(gan: Gan, small_digits: DataSet) -> None:
    """There the best line is its own answer already; on other digits or other fakes it is another."""
    early = CONFIG.with_options({"detector_images": 128})  # it still mistakes some, or every line would do
    trained = train_detector(early, gan.discriminator, gan.ema, [], small_digits, StopRequest())
    assert trained is not None
    detector, calibration = trained
    assert calibration is not None
    assert calibration.images == len(small_digits.held_out)

    def line(real: Tensor, seed: int) -> tuple[float, float]:
        fakes = Generated(gan.ema, CONFIG).images(len(real), torch.Generator().manual_seed(seed))
        return fit_platt(logits_of(detector, CONFIG, real), logits_of(detector, CONFIG, fakes))

    itself = pytest.approx((1, 0), abs=1e-3)
    assert line(small_digits.held_out.images, CALIBRATION_SEED) == itself
    assert line(small_digits.held_out.images, CALIBRATION_SEED + 1) != itself
    for part in (small_digits.fit, small_digits.test):
        assert line(part.images[: calibration.images], CALIBRATION_SEED) != itself

    # Until then it has seen the training set alone.
    kinds = make_fakes(early, gan.ema, [], small_digits, lambda: None)
    uncalibrated = fit(early, kinds, small_digits.fit.images, CPU, lambda: None)
    weights = uncalibrated.features.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in detector.features.state_dict().items())

    probabilities = logits_of(detector, CONFIG, small_digits.held_out.images).double().sigmoid()
    assert calibration.threshold < 0.5
    assert (probabilities < calibration.threshold - 1e-6).double().mean() <= 0.01


class Contrast(nn.Module):
    """A detector that goes by the deviation of the pixels alone."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.logit = nn.Linear(1, 1)
        nn.init.constant_(self.logit.weight, weight)
        nn.init.constant_(self.logit.bias, 0.5)

    def forward(self, images: Tensor) -> Tensor:
        return self.logit(images.std(dim=1, keepdim=True))


class Given:
    """A kind of fakes that are there already."""

    def __init__(self, fakes: Tensor) -> None:
        self.fakes = fakes

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        return self.fakes[:count]


@pytest.mark.parametrize(
    ("weight", "dimmed", "lowest"),
    [
        (3.0, 0.0, "a half"),  # fakes that are blank: no digit comes near them
        (3.0, 0.8, "after a treatment"),  # which takes contrast
        (-3.0, 1.2, "as they were"),
    ],
)
def test_the_threshold_is_a_half_or_what_few_of_the_held_out_digits_get(
    weight: float, dimmed: float, lowest: str, small_digits: DataSet
) -> None:
    real = (small_digits.held_out.images * 0.8).to(torch.uint8)
    fakes = (real * dimmed).to(torch.uint8)
    detector = Contrast(weight)
    raw = copy.deepcopy(detector)
    scale, shift = fit_platt(logits_of(raw, CONFIG, real), logits_of(raw, CONFIG, fakes))
    found = calibrate(detector, CONFIG, Given(fakes), real)  # type: ignore[arg-type]  # all it needs is the last layer
    assert (found.scale, found.shift, found.images) == pytest.approx((scale, shift, len(real)))

    def probabilities(images: Tensor) -> np.ndarray:
        return np.asarray((scale * logits_of(raw, CONFIG, images).double() + shift).sigmoid())

    limits = {
        "a half": 0.5,
        "as they were": np.quantile(probabilities(real), 0.01),
        "after a treatment": min(np.quantile(probabilities(images), 0.035) for _, images in treated_images(real)),
    }
    assert min(limits, key=limits.__getitem__) == lowest
    assert found.threshold == pytest.approx(limits[lowest], rel=1e-3)
    calibrated = logits_of(detector, CONFIG, real).double().sigmoid()
    assert np.asarray(calibrated) == pytest.approx(probabilities(real), rel=1e-4)


def test_a_step_is_adamw_on_real_digits_and_fakes_after_the_same_treatment(small_digits: DataSet) -> None:
    """Three steps beside the same by hand; the last is of an epoch's rest."""
    images = small_digits.fit.images[:300]
    config = CONFIG.with_options({"detector_images": 300, "detector_lr": 1e-3, "batch_size": 128, "seed": 4})
    kinds = {OWN: Given(small_digits.test.images), "no digits": Given(255 - images), "gaussians": Given(images // 2)}
    looks: list[int] = []
    found = fit(config, kinds, images, CPU, lambda: looks.append(1))

    torch.manual_seed(4 + SEED)
    expected = Detector(config.detector_channels).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = copy.deepcopy(expected.state_dict())
    optimizer = torch.optim.AdamW(expected.parameters(), betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    rng, batches, seen = torch.Generator().manual_seed(4 + SEED), Batches(300, 128, 4 + SEED), 0
    while seen < 300:
        real = images[batches.at(seen)]
        fakes = mixed(kinds, SHARES, len(real), rng)
        both = torch.cat([treated(real, rng), treated(fakes, rng)]).flatten(1).float() / 255 * 2 - 1
        loss = discriminator_loss(*expected(both).logit.chunk(2))
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * seen / 300)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(real)
    assert len(looks) == 3
    # By the way that the weights have come: as exactly as another second beta asks for, which changes little so soon.
    for name, weight in expected.state_dict().items():
        if weight.ndim > 1 or "running" in name:
            assert (found.state_dict()[name] - weight).norm() <= 1e-5 * (weight - start[name]).norm(), name


def test_the_same_stage_twice_gives_the_same_detector(gan: Gan, small_digits: DataSet) -> None:
    short = CONFIG.with_options({"detector_images": 128})
    first, second = (
        train_detector(short, gan.discriminator, gan.ema, [], small_digits, StopRequest()) for _ in range(2)
    )
    assert first is not None
    assert second is not None
    assert first[1] == second[1]
    assert torch.equal(first[0].logit.weight, second[0].logit.weight)


def test_a_stop_ends_the_stage_without_a_detector(gan: Gan, small_digits: DataSet) -> None:
    assert train_detector(CONFIG, gan.discriminator, gan.ema, [], small_digits, Stopped()) is None


def test_without_images_the_discriminator_stays_as_it_is(gan: Gan, small_digits: DataSet) -> None:
    trained = train_detector(
        CONFIG.with_options({"detector_images": 0}), gan.discriminator, gan.ema, [], small_digits, StopRequest()
    )
    assert trained is not None
    assert trained[1] is None
    assert torch.equal(trained[0].logit.weight, gan.discriminator.logit.weight)


def test_every_kind_gives_different_images_of_the_right_form_and_the_same_for_a_seed(
    gan: Gan, small_digits: DataSet
) -> None:
    looks: list[int] = []
    kinds = make_fakes(
        CONFIG.with_options({"detector_images": 1024}),
        gan.ema,
        [gan.generator],
        replace(small_digits, name="mnist"),
        lambda: looks.append(1),
    )
    assert list(kinds) == list(SHARES)
    assert len(looks) == len(SHARES)
    for name, kind in kinds.items():
        images = kind.images(12, torch.Generator().manual_seed(1))
        assert images.shape == (12, 28, 28), name
        assert images.dtype == torch.uint8, name
        assert torch.equal(images, kind.images(12, torch.Generator().manual_seed(1))), name
        assert not torch.equal(images, kind.images(12, torch.Generator().manual_seed(2))), name
        assert len(kind.images(0, torch.Generator())) == 0, name
    for name in ("noised digits", "no digits"):
        assert vars(kinds[name])["real"] is small_digits.fit.images  # held-out ones would be known to the detector
    assert len(mixed(kinds, SHARES, 33, torch.Generator().manual_seed(1))) == 33


def test_the_shares_of_a_step_are_shares_of_one() -> None:
    assert sum(SHARES.values()) == pytest.approx(1)


def test_without_snapshots_their_kind_is_not_made_nor_mnists_beside_other_digits(
    gan: Gan, small_digits: DataSet
) -> None:
    kinds = make_fakes(CONFIG.with_options({"detector_images": 2}), gan.ema, [], small_digits, lambda: None)
    assert set(SHARES) - set(kinds) == {SNAPSHOTS, *FAMILIES}
