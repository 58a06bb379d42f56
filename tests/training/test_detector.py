"""The detector stage."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluation.calibration import fit_platt
from evaluation.detector_quality import Thresholds, called_real
from evaluation.quality import detector_auroc
from tests.training.tiny_runs import CPU, SMALL, StopAfter
from training.checkpoint import CheckpointError
from training.config import PRESETS
from training.data import DataSet
from training.detector import (
    CALIBRATION_SEED,
    NO_DIGITS,
    OWN,
    POOL,
    SENT,
    SHARES,
    SNAPSHOTS,
    make_fakes,
    material_of,
    pool_of,
    remove_state,
    train_detector,
)
from training.detector_calibration import Calibration, logits_of, scores_of
from training.detector_fit import STATE, fit
from training.fakes.generators import Generated
from training.fakes.kind import Pooled
from training.fakes.shipped import FAMILIES
from training.gan import Gan
from training.interrupts import StopRequest
from training.networks import Detector, FaintLevels, LevelCounts
from training.pixels import normalise

CONFIG = PRESETS["default"].with_options(
    SMALL | {"detector_images": 1280, "detector_channels": 4, "detector_pool": 32, "bfloat16": False}
)


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.1, 0.5)])
def test_a_detector_sees_faint_levels_by_themselves(mean: float, std: float) -> None:
    levels = torch.tensor([0, 2, 4, 255], dtype=torch.uint8).repeat(1, 196).view(1, 28, 28)
    pixels = normalise(levels, mean, std)
    seen = FaintLevels(mean, std)(pixels)
    assert seen.shape == (1, 2, 28, 28)
    assert torch.equal(seen[:, 0].flatten(1), pixels)
    expected = torch.tensor([0, 0.5 * math.exp(0.5), 1, 0]).repeat(196)
    torch.testing.assert_close(seen[0, 1].flatten(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.1, 0.5)])
def test_a_detector_counts_the_levels_of_an_image(mean: float, std: float) -> None:
    levels = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    levels[1], levels[2] = 0, 255
    begin = [*LevelCounts.FROM, 256]
    expected = [
        [int(((image >= low) & (image < high)).sum()) for low, high in pairwise(begin)] for image in levels.int()
    ]
    assert max(expected[1]) == 0
    assert expected[2][-1] == 784
    seen = LevelCounts(mean, std)(normalise(levels, mean, std))
    assert seen.shape == (3, 16)
    torch.testing.assert_close((2 * (seen + 0.5)).expm1(), torch.tensor(expected).float(), atol=0.05, rtol=1e-3)


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


def test_few_real_digits_are_refused_by_both_questions_together(
    stage: tuple[Detector, Calibration], small_digits: DataSet
) -> None:
    detector, calibration = stage
    thresholds = Thresholds(calibration.threshold, calibration.one_digit_threshold)
    held_out = [("held_out", small_digits.held_out.images)]
    found = called_real(lambda images: scores_of(detector, CONFIG, images), held_out, thresholds)
    assert found["held_out_called_real"] >= 0.99


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
    # It still mistakes some, or every line would do.
    early = CONFIG.with_options({"detector_images": 128, "detector_lr": 3e-5})
    trained = train_detector(early, gan.discriminator, gan.ema, [], small_digits, StopRequest())
    assert trained is not None
    detector, calibration = trained
    assert calibration is not None
    assert isinstance(detector, Detector)
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
    kinds, no_digits = make_fakes(early, gan.ema, [], small_digits, lambda: None)
    pool = pool_of(early, kinds, no_digits, small_digits, lambda: None)
    uncalibrated = fit(early, material_of(early, kinds, pool, small_digits), CPU, lambda: None)
    weights = uncalibrated.hidden.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in detector.hidden.state_dict().items())

    probabilities = logits_of(detector, CONFIG, small_digits.held_out.images).double().sigmoid()
    assert calibration.threshold < 0.5
    assert (probabilities < calibration.threshold - 1e-6).double().mean() <= 0.01


def test_the_same_stage_twice_gives_the_same_detector(gan: Gan, small_digits: DataSet) -> None:
    short = CONFIG.with_options({"detector_images": 128})
    first, second = (
        train_detector(short, gan.discriminator, gan.ema, [], small_digits, StopRequest()) for _ in range(2)
    )
    assert first is not None
    assert second is not None
    assert first[1] == second[1]
    assert torch.equal(first[0].logit.weight, second[0].logit.weight)


@pytest.mark.parametrize("looks", [1, 40, 60])
def test_a_stage_that_was_stopped_goes_on_as_if_it_had_not_been(
    looks: int, stage: tuple[Detector, Calibration], gan: Gan, small_digits: DataSet, tmp_path: Path
) -> None:
    """While the fakes are made, in the pool, and between two steps."""

    def go_on(stop: StopRequest) -> tuple[Detector, Calibration] | None:
        return train_detector(CONFIG, gan.discriminator, gan.ema, [], small_digits, stop, tmp_path)  # type: ignore[return-value]

    stops = 0
    while (found := go_on(StopAfter(looks + stops))) is None:
        stops += 100  # so that it ends
    assert stops > 0
    assert found[1] == stage[1]
    expected = stage[0].state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in found[0].state_dict().items())
    remove_state(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_cannot_be_read_is_refused_by_name(gan: Gan, small_digits: DataSet, tmp_path: Path) -> None:
    for name in (STATE, POOL):
        (tmp_path / name).write_bytes(b"torn")
        with pytest.raises(CheckpointError, match=f"{name} cannot be read"):
            train_detector(CONFIG, gan.discriminator, gan.ema, [], small_digits, StopRequest(), tmp_path)
        (tmp_path / name).unlink()


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
    kinds, _ = make_fakes(
        CONFIG.with_options({"detector_images": 1024}),
        gan.ema,
        [gan.generator],
        replace(small_digits, name="mnist"),
        lambda: looks.append(1),
    )
    assert list(kinds) == list(SHARES)
    assert len(looks) == len(kinds)  # one look a kind
    for name, kind in kinds.items():
        images = kind.images(12, torch.Generator().manual_seed(1))
        assert images.shape == (12, 28, 28), name
        assert images.dtype == torch.uint8, name
        assert torch.equal(images, kind.images(12, torch.Generator().manual_seed(1))), name
        assert not torch.equal(images, kind.images(12, torch.Generator().manual_seed(2))), name
        assert len(kind.images(0, torch.Generator())) == 0, name
    for name in ("noised digits", "no digits"):
        assert vars(kinds[name])["real"] is small_digits.fit.images  # held-out ones would be known to the detector


def test_the_detector_sees_every_kind_as_it_is_and_as_it_was_sent(gan: Gan, small_digits: DataSet) -> None:
    kinds, no_digits = make_fakes(CONFIG, gan.ema, [gan.generator], small_digits, lambda: None)
    kinds[OWN] = Pooled(small_digits.fit.images)  # nothing is found in what an untrained generator makes
    pool = pool_of(CONFIG.with_options({"detector_pool": 128}), kinds, no_digits, small_digits, lambda: None)
    material = material_of(CONFIG, kinds, pool, small_digits)
    assert set(kinds) <= set(material.kinds)
    assert material.kinds.keys() == material.shares.keys()
    assert {OWN + SENT, NO_DIGITS + SENT} <= set(material.kinds)
    assert SNAPSHOTS + SENT not in material.kinds


def test_without_snapshots_their_kind_is_not_made_nor_mnists_beside_other_digits(
    gan: Gan, small_digits: DataSet
) -> None:
    kinds, _ = make_fakes(CONFIG.with_options({"detector_images": 2}), gan.ema, [], small_digits, lambda: None)
    assert set(SHARES) - set(kinds) == {SNAPSHOTS, *FAMILIES}
