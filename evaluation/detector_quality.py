"""Is the detector right: on real digits and on fakes, on real digits that were processed, on what is no digit."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from evaluation import not_digits
from evaluation.calibration import calibration_error
from evaluation.journeys import JOURNEYS, travelled
from evaluation.pen import Hand, distance_fields, drawn
from evaluation.quality import detector_auroc
from evaluation.treatments import TREATMENTS

SEED = 20_250_312
SENT = ("sent", "enlarged")  # journeys that are measured
SENT_SHARE = 10  # on one image of so many: each takes milliseconds
# Drawn otherwise than a detector learns them.
TEST_HAND = Hand(pen=(1.6, 4.0), turn=0.2, stretch=0.15, shear=0.35, wobble=0.04)


class Scores(NamedTuple):
    """What a detector says of images.

    Attributes:
        real: Calibrated logits that they are real, float[count].
        one_digit: The probabilities that they show one digit, float[count]; None of a detector that is not asked.
        digits: int64[count], which digit it takes each for; None of a detector that is not asked.
    """

    real: Tensor
    one_digit: Tensor | None = None
    digits: Tensor | None = None


class Thresholds(NamedTuple):
    """The probabilities from which an image is called real: it has to reach both.

    Attributes:
        real: That it is real.
        one_digit: That it shows one digit; None of a detector that is not asked.
    """

    real: float
    one_digit: float | None = None


Score = Callable[[Tensor], Scores]


def detector_quality(
    score: Score, real: Tensor, labels: Tensor, fakes: Tensor, thresholds: Thresholds, shows_digits: bool
) -> dict[str, float]:
    """Every figure of a detector.

    Args:
        score: Of images uint8[count, 28, 28].
        real: uint8[count, 28, 28], real images that it has not seen.
        labels: Their classes, int64[count].
        fakes: As many fresh ones of its own generator.
        thresholds: From where an image is called real.
        shows_digits: The data set shows digits; else letters and things may be what it shows.

    Returns:
        `auroc`; `real_called_fake` and `fakes_called_fake`, the share of each that is not called real;
        `calibration_error`; `class_accuracy`, of the classes of real images; `X_called_real` for the real images after
        each treatment and journey, and for images that are no digits; `X_auroc` and `X_fakes_called_fake`, for both
        classes after a journey.
    """
    of_real, of_fakes = score(real), score(fakes)
    figures = {
        "auroc": detector_auroc(of_real.real, of_fakes.real),
        "real_called_fake": 1 - _share_called_real(of_real, thresholds),
        "fakes_called_fake": 1 - _share_called_real(of_fakes, thresholds),
        "calibration_error": calibration_error(of_real.real.sigmoid(), of_fakes.real.sigmoid()),
    }
    if of_real.digits is not None:
        figures["class_accuracy"] = float((of_real.digits == labels).double().mean())
    figures |= called_real(score, treated_images(real), thresholds)
    for (name, some), (_, some_fakes) in zip(sent_images(real), sent_images(fakes), strict=True):
        of_some, of_some_fakes = score(some), score(some_fakes)
        figures[f"{name}_auroc"] = detector_auroc(of_some.real, of_some_fakes.real)
        figures[f"{name}_called_real"] = _share_called_real(of_some, thresholds)
        figures[f"{name}_fakes_called_fake"] = 1 - _share_called_real(of_some_fakes, thresholds)
    return figures | called_real(score, images_of_no_digits(real, shows_digits), thresholds)


def called_real(score: Score, images: Iterable[tuple[str, Tensor]], thresholds: Thresholds) -> dict[str, float]:
    """`X_called_real`, the share that reaches the thresholds, for images uint8[count, 28, 28] by their name X."""
    return {f"{name}_called_real": _share_called_real(score(some), thresholds) for name, some in images}


def treated_images(real: Tensor) -> list[tuple[str, Tensor]]:
    """The real images after each treatment, by its name."""
    rng = torch.Generator().manual_seed(SEED)
    parts = real.split(100)  # `resized` has one size for all that it is given
    return [(name, torch.cat([treat(part, rng) for part in parts])) for name, treat in TREATMENTS.items()]


def sent_images(images: Tensor) -> list[tuple[str, Tensor]]:
    """Every tenth image after the journeys that are measured, by their names: sent as a picture file and brought back
    to MNIST's form.
    """
    return [(name, travelled(images[::SENT_SHARE], JOURNEYS[name], SEED)) for name in SENT]


def images_of_no_digits(real: Tensor, shows_digits: bool) -> list[tuple[str, Tensor]]:
    """As many of each kind as `real`: noise, blank images, inverted digits, several digits in one image; and where the
    data set shows digits, letters and Greek ones, in fonts that no detector learns from, and things.
    """
    rng = torch.Generator().manual_seed(SEED)
    count = len(real)
    images = [
        ("noise", not_digits.noise(count, rng)),
        ("blank", not_digits.blank(count, rng)),
        ("inverted", not_digits.inverted(real)),
        ("several", not_digits.several(real, count, rng)),
    ]
    if not shows_digits:
        return images
    greek = not_digits.glyph_paths(not_digits.GREEK, not_digits.TEST_FONTS)
    return [
        *images,
        ("letters", not_digits.letters(count, rng, not_digits.TEST_FONTS)),
        ("greek", drawn(greek[torch.randint(len(greek), (count,), generator=rng)], rng, TEST_HAND)),
        ("doodles", drawn(distance_fields(not_digits.zigzags(count, rng)), rng, TEST_HAND)),
    ]


def _share_called_real(scores: Scores, thresholds: Thresholds) -> float:
    real = scores.real.double().sigmoid() >= thresholds.real
    if scores.one_digit is not None and thresholds.one_digit is not None:
        real = real & (scores.one_digit.double() >= thresholds.one_digit)
    return float(real.double().mean())
