"""Is the detector right: on real digits and on fakes, on real digits that were processed, on what is no digit."""

from collections.abc import Callable

import torch
from torch import Tensor

from evaluation import not_digits
from evaluation.calibration import calibration_error
from evaluation.quality import detector_auroc
from evaluation.treatments import TREATMENTS

SEED = 20_250_312
NOT_DIGITS = 1000  # of each kind that is no digit
Score = Callable[[Tensor], Tensor]


def detector_quality(score: Score, real: Tensor, fakes: Tensor, threshold: float) -> dict[str, float]:
    """Every figure of a detector.

    Args:
        score: uint8[count, 28, 28] to the calibrated logits that they are real, float[count].
        real: uint8[count, 28, 28], real images that it has not seen.
        fakes: As many fresh ones of its own generator.
        threshold: The probability from which an image is called real.

    Returns:
        `auroc`; `real_called_fake` and `fakes_called_fake`, the share of each below the threshold; `calibration_error`;
        `X_called_real` for the real images after each treatment, and for images that are no digits.
    """
    real_logits, fake_logits = score(real), score(fakes)
    figures = {
        "auroc": detector_auroc(real_logits, fake_logits),
        "real_called_fake": 1 - _called_real(real_logits, threshold),
        "fakes_called_fake": 1 - _called_real(fake_logits, threshold),
        "calibration_error": calibration_error(real_logits.sigmoid(), fake_logits.sigmoid()),
    }
    for name, images in (*treated_images(real), *images_of_no_digits(real)):
        figures[f"{name}_called_real"] = _called_real(score(images), threshold)
    return figures


def treated_images(real: Tensor) -> list[tuple[str, Tensor]]:
    """The real images after each treatment, by its name."""
    rng = torch.Generator().manual_seed(SEED)
    parts = real.split(100)  # `resized` has one size for all that it is given
    return [(name, torch.cat([treat(part, rng) for part in parts])) for name, treat in TREATMENTS.items()]


def images_of_no_digits(real: Tensor) -> list[tuple[str, Tensor]]:
    """Noise, blank images, inverted digits, and letters of fonts that no detector is trained with."""
    rng = torch.Generator().manual_seed(SEED)
    return [
        ("noise", not_digits.noise(NOT_DIGITS, rng)),
        ("blank", not_digits.blank(NOT_DIGITS, rng)),
        ("inverted", not_digits.inverted(real[:NOT_DIGITS])),
        ("letters", not_digits.letters(NOT_DIGITS, rng, not_digits.TEST_FONTS)),
    ]


def _called_real(logits: Tensor, threshold: float) -> float:
    return float((logits.double().sigmoid() >= threshold).double().mean())
