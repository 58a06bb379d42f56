"""The detector stage."""

import pytest
import torch

from evaluation.quality import detector_auroc
from training.config import PRESETS
from training.data import DataSet
from training.detector import SHARES, SNAPSHOTS, logits_of, make_fakes, train_detector
from training.fakes.generators import Generated
from training.fakes.kind import mixed
from training.gan import Gan
from training.interrupts import StopRequest

CONFIG = PRESETS["default"].with_options({"detector_images": 6400})
CPU = torch.device("cpu")


class Stopped(StopRequest):
    def __bool__(self) -> bool:
        return True


@pytest.fixture(scope="module")
def gan() -> Gan:
    return Gan(CONFIG, CPU)


def auroc(detector: torch.nn.Module, gan: Gan, data: DataSet) -> float:
    fakes = Generated(gan.ema, CONFIG).images(len(data.test.images), torch.Generator().manual_seed(9))
    return detector_auroc(logits_of(detector, CONFIG, data.test.images), logits_of(detector, CONFIG, fakes))


def test_the_detector_learns_is_calibrated_and_leaves_the_pair_alone(gan: Gan, small_digits: DataSet) -> None:
    before = [
        {name: weight.clone() for name, weight in net.state_dict().items()} for net in (gan.ema, gan.discriminator)
    ]
    trained = train_detector(CONFIG, gan.discriminator, gan.ema, [], small_digits, StopRequest())
    assert trained is not None
    detector, calibration = trained
    assert auroc(detector, gan, small_digits) > 0.95
    assert calibration is not None
    assert 0 < calibration.threshold <= 0.5
    assert calibration.images == len(small_digits.held_out.images)
    for net, weights in zip((gan.ema, gan.discriminator), before, strict=True):
        assert all(torch.equal(weight, weights[name]) for name, weight in net.state_dict().items())


def test_at_most_one_in_a_hundred_held_out_digits_is_below_the_threshold(gan: Gan, small_digits: DataSet) -> None:
    trained = train_detector(CONFIG, gan.discriminator, gan.ema, [], small_digits, StopRequest())
    assert trained is not None
    detector, calibration = trained
    assert calibration is not None
    probabilities = logits_of(detector, CONFIG, small_digits.held_out.images).double().sigmoid()
    assert (probabilities < calibration.threshold - 1e-6).double().mean() <= 0.01 + 1 / len(probabilities)


def test_the_same_stage_twice_gives_the_same_detector(gan: Gan, small_digits: DataSet) -> None:
    short = CONFIG.with_options({"detector_images": 512})
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
    kinds = make_fakes(
        CONFIG.with_options({"detector_images": 256}), gan.ema, [gan.generator], small_digits, lambda: None
    )
    assert list(kinds) == list(SHARES)
    for name, kind in kinds.items():
        images = kind.images(12, torch.Generator().manual_seed(1))
        assert images.shape == (12, 28, 28), name
        assert images.dtype == torch.uint8, name
        assert torch.equal(images, kind.images(12, torch.Generator().manual_seed(1))), name
        assert not torch.equal(images, kind.images(12, torch.Generator().manual_seed(2))), name
        assert len(kind.images(0, torch.Generator())) == 0, name
    assert len(mixed(kinds, SHARES, 33, torch.Generator().manual_seed(1))) == 33


def test_without_snapshots_their_kind_is_not_made(gan: Gan, small_digits: DataSet) -> None:
    kinds = make_fakes(CONFIG.with_options({"detector_images": 2}), gan.ema, [], small_digits, lambda: None)
    assert set(SHARES) - set(kinds) == {SNAPSHOTS}
