"""Treatments, pictures of no digits, calibration."""

import math

import pytest
import torch

from evaluation import not_digits
from evaluation.calibration import calibration_error, fit_platt, fit_temperature, reliability
from evaluation.detector_quality import (
    SEED,
    Scores,
    Thresholds,
    called_real,
    detector_quality,
    images_of_no_digits,
    sent_images,
    treated_images,
)
from evaluation.journeys import JOURNEYS, travelled
from evaluation.treatments import TREATMENTS, cleaned, shifted, treated


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


def test_cleaned_has_no_faint_level_and_all_bright_ones() -> None:
    levels = torch.arange(256, dtype=torch.uint8).repeat(200, 1)
    clean = cleaned(levels.view(200, 16, 16), rng()).flatten(1)
    least = [int(row[row > 0].min()) for row in clean]
    assert (min(least), max(least)) == (2, 16)
    for row, first in zip(clean, least, strict=True):
        assert torch.equal(row[first:], levels[0, first:])


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


def test_both_classes_weigh_the_same_in_platts_line_however_many_there_are() -> None:
    real, fake = torch.randn(2, 300, generator=rng(), dtype=torch.float64)
    line = fit_platt(real + 1, fake - 0.5)
    assert fit_platt((real + 1).repeat(7), fake - 0.5) == pytest.approx(line, rel=1e-4)
    assert fit_platt(real + 1, (fake - 0.5).repeat(7)) == pytest.approx(line, rel=1e-4)


def test_platts_line_turns_the_odds_of_two_values_into_their_shares() -> None:
    """Of two logits only, the line goes through both shares' own: 0.9 of those at 3 are real, and 0.2 of those at 1."""
    real, fake = torch.tensor([3.0] * 9 + [1.0] * 2), torch.tensor([3.0] * 1 + [1.0] * 8)
    weights = len(fake) / len(real)  # a real image of 11 weighs less than a fake of 9
    high, low = math.log(9 * weights / 1), math.log(2 * weights / 8)
    scale, shift = fit_platt(real, fake)
    assert (3 * scale + shift, scale + shift) == pytest.approx((high, low), abs=1e-4)


def test_the_calibration_error_is_how_far_the_probabilities_are_off() -> None:
    # 0.9 said of half reals and half fakes: right half of the time.
    assert calibration_error(torch.full((50,), 0.9), torch.full((50,), 0.9)) == pytest.approx(0.4, abs=1e-6)
    assert calibration_error(torch.full((90,), 0.9), torch.full((10,), 0.9)) == pytest.approx(0.0, abs=1e-6)
    assert calibration_error(torch.full((10,), 0.1), torch.full((90,), 0.1)) == pytest.approx(0.0, abs=1e-6)


def test_the_quality_of_a_detector_that_goes_by_brightness(images: torch.Tensor) -> None:
    fakes = torch.full_like(images, 200)
    labels = torch.zeros(40, dtype=torch.int64)

    def score(some: torch.Tensor) -> Scores:
        return Scores(100 - some.flatten(1).float().mean(dim=1))

    quality = detector_quality(score, images, labels, fakes, Thresholds(0.5), True)
    assert quality["auroc"] == 1
    assert (quality["real_called_fake"], quality["fakes_called_fake"]) == (0, 1)
    assert quality["inverted_called_real"] == 0
    assert quality["letters_called_real"] == 1
    assert quality["calibration_error"] == pytest.approx(0, abs=1e-6)
    assert quality["sent_auroc"] == 0  # nothing is found on a grey page, and black it is darker than all digits
    assert "class_accuracy" not in quality  # which it is not asked for


def test_every_share_is_that_at_or_above_both_thresholds(images: torch.Tensor) -> None:
    """A logit of a tenth of the first pixel; one digit, by a tenth of the second; the class of the third."""
    levels = torch.tensor([1, 2, 3, 4, 5, 6, 7, 8], dtype=torch.uint8)
    real, fakes = (torch.zeros(8, 28, 28, dtype=torch.uint8) for _ in range(2))
    real[:, 0, 0], fakes[:, 0, 0] = levels, torch.tensor([1, 1, 1, 1, 1, 2, 3, 7])
    real[:, 0, 1], fakes[:, 0, 1] = torch.tensor([9, 9, 9, 9, 9, 9, 9, 1]), 9
    real[:, 0, 2] = levels % 4

    def score(some: torch.Tensor) -> Scores:
        first, second = ((some[:, 0, place].double() / 10).clamp(0.01, 0.99) for place in (0, 1))
        return Scores(first.logit(), second, some[:, 0, 2].long())

    thresholds = Thresholds(0.25, 0.5)
    quality = detector_quality(score, real, torch.arange(8) % 4, fakes, thresholds, False)
    assert (quality["real_called_fake"], quality["fakes_called_fake"]) == (3 / 8, 6 / 8)
    pairs = [(r > f) + 0.5 * (r == f) for r in levels.tolist() for f in fakes[:, 0, 0].tolist()]
    assert quality["auroc"] == pytest.approx(sum(pairs) / 64)
    assert quality["class_accuracy"] == 0
    probabilities = [score(some).real.sigmoid() for some in (real, fakes)]
    assert quality["calibration_error"] == pytest.approx(calibration_error(*probabilities))
    assert quality["inverted_called_real"] == 1
    for name, some in [*treated_images(real), *sent_images(real), *images_of_no_digits(real, False)]:
        scores = score(some)
        assert scores.one_digit is not None
        called = (scores.real.sigmoid() >= 0.25) & (scores.one_digit >= 0.5)
        assert quality[f"{name}_called_real"] == float(called.double().mean()), name
    at_its_own = [("some", real)]
    assert called_real(score, at_its_own, Thresholds(0.5)) == {"some_called_real": 0.5}  # 0.5 itself is called real


def test_a_detector_is_asked_about_letters_in_fonts_that_it_was_not_trained_with(images: torch.Tensor) -> None:
    draws = rng(SEED)
    expected = {
        "noise": not_digits.noise(40, draws),
        "blank": not_digits.blank(40, draws),
        "inverted": 255 - images,
        "several": not_digits.several(images, 40, draws),
        "letters": not_digits.letters(40, draws, not_digits.TEST_FONTS),
    }
    found = dict(images_of_no_digits(images, True))
    assert found.keys() == {*expected, "greek", "doodles"}
    assert all(torch.equal(found[name], some) for name, some in expected.items())
    assert all(len(some) == 40 for some in found.values())
    # What is a letter beside digits may be what another data set shows.
    assert images_of_no_digits(images, False)[-1][0] == "several"


def test_every_tenth_image_is_sent(images: torch.Tensor) -> None:
    found = dict(sent_images(images))
    assert found.keys() == {"sent", "enlarged"}
    assert torch.equal(found["enlarged"], travelled(images[::10], JOURNEYS["enlarged"], SEED))


def test_a_temperature_makes_classes_probabilities() -> None:
    """Labels drawn from the softmax of three times the logits."""
    logits = torch.randn(100_000, 4, generator=rng(), dtype=torch.float64)
    labels = torch.multinomial((3 * logits).softmax(dim=1), 1, generator=rng(1)).flatten()
    assert fit_temperature(logits, labels) == pytest.approx(3.0, abs=0.05)


def test_reliability_gives_the_bins_that_hold_images_and_what_they_hold() -> None:
    real, fake = torch.tensor([1.0, 0.98, 0.51]), torch.tensor([0.0, 0.02, 0.52])
    mean, share, images = reliability(real, fake)
    assert mean.tolist() == pytest.approx([0.01, 0.515, 0.99])
    assert share.tolist() == [0, 0.5, 1]
    assert images.tolist() == [2, 2, 2]
    assert float(((mean - share).abs() * images).sum() / 6) == pytest.approx(calibration_error(real, fake), abs=1e-6)
