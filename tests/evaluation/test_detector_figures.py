"""Treatments, pictures of no digits, calibration."""

import pytest
import torch

from evaluation import not_digits
from evaluation.calibration import calibration_error, fit_platt, reliability
from evaluation.detector_quality import detector_quality
from evaluation.treatments import TREATMENTS, shifted, treated


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    images = torch.zeros(40, 28, 28, dtype=torch.uint8)
    images[:, 8:20, 12:16] = 255
    return images


@pytest.mark.parametrize("name", TREATMENTS)
def test_a_treatment_changes_little_and_always_the_same(name: str, images: torch.Tensor) -> None:
    once, again = (TREATMENTS[name](images, rng()) for _ in range(2))
    assert once.dtype == torch.uint8
    assert once.shape == images.shape
    assert torch.equal(once, again)
    assert not torch.equal(once, images)
    assert (once.double() - images.double()).abs().mean() < 30


def test_shifted_moves_down_and_right_and_brings_in_black(images: torch.Tensor) -> None:
    moved = shifted(images[:2], torch.tensor([[2, -1], [0, 0]]))
    assert torch.equal(moved[0, 10:22, 11:15], images[0, 8:20, 12:16])
    assert moved[0].sum() == images[0].sum()
    assert torch.equal(moved[1], images[1])


def test_half_of_the_images_stay_as_they_are(images: torch.Tensor) -> None:
    many = images.repeat(25, 1, 1)
    before = many.clone()
    same = (treated(many, rng()) == before).flatten(1).all(1).double().mean()
    assert 0.45 < same < 0.58
    assert torch.equal(many, before)


def test_letters_are_of_the_fonts_asked_for() -> None:
    assert not set(not_digits.TRAINING_FONTS) & set(not_digits.TEST_FONTS)
    assert not set("OILSZBGQ") & set(not_digits.LETTERS.upper())
    letters = not_digits.letters(50, rng(), not_digits.TEST_FONTS)
    assert (letters.flatten(1).max(dim=1).values > 200).all()


def test_platt_finds_the_line_that_was_put_in() -> None:
    truth = 4 * torch.randn(200_000, generator=rng(), dtype=torch.float64)
    real = torch.rand(200_000, generator=rng(1), dtype=torch.float64) < truth.sigmoid()
    raw = (truth - 0.5) / 2.0  # the truth is 2 raw + 0.5
    scale, shift = fit_platt(raw[real], raw[~real])
    assert scale == pytest.approx(2.0, abs=0.03)
    assert shift == pytest.approx(0.5, abs=0.05)


def test_the_calibration_error_is_how_far_the_probabilities_are_off() -> None:
    # 0.9 said of half reals and half fakes: right half of the time.
    assert calibration_error(torch.full((50,), 0.9), torch.full((50,), 0.9)) == pytest.approx(0.4, abs=1e-6)
    assert calibration_error(torch.full((90,), 0.9), torch.full((10,), 0.9)) == pytest.approx(0.0, abs=1e-6)
    assert calibration_error(torch.full((10,), 0.1), torch.full((90,), 0.1)) == pytest.approx(0.0, abs=1e-6)


def test_the_quality_of_a_detector_that_goes_by_brightness(images: torch.Tensor) -> None:
    fakes = torch.full_like(images, 200)
    quality = detector_quality(lambda x: 100 - x.flatten(1).float().mean(dim=1), images, fakes, 0.5)
    assert quality["auroc"] == 1
    assert (quality["real_called_fake"], quality["fakes_called_fake"]) == (0, 1)
    assert quality["inverted_called_real"] == 0
    assert quality["letters_called_real"] == 1
    assert quality["calibration_error"] == pytest.approx(0, abs=1e-6)


def test_reliability_gives_the_bins_that_hold_images_and_what_they_hold() -> None:
    real, fake = torch.tensor([1.0, 0.98, 0.51]), torch.tensor([0.0, 0.02, 0.52])
    mean, share, images = reliability(real, fake)
    assert mean.tolist() == pytest.approx([0.01, 0.515, 0.99])
    assert share.tolist() == [0, 0.5, 1]
    assert images.tolist() == [2, 2, 2]
    assert float(((mean - share).abs() * images).sum() / 6) == pytest.approx(calibration_error(real, fake), abs=1e-6)
