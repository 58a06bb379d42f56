"""Is the detector right: on real digits and on fakes, on real digits that were processed, on what is no digit."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from evaluation import not_digits
from evaluation.calibration import calibration_error
from evaluation.quality import detector_auroc
from evaluation.treatments import TREATMENTS

SEED = 20_250_312
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
    return figures | called_real(score, (*treated_images(real), *images_of_no_digits(real)), threshold)


def called_real(score: Score, images: Iterable[tuple[str, Tensor]], threshold: float) -> dict[str, float]:
    """`X_called_real`, the share at or above the threshold, for images uint8[count, 28, 28] by their name X."""
    return {f"{name}_called_real": _called_real(score(some), threshold) for name, some in images}


def treated_images(real: Tensor) -> list[tuple[str, Tensor]]:
    """The real images after each treatment, by its name."""
    rng = torch.Generator().manual_seed(SEED)
    parts = real.split(100)  # `resized` has one size for all that it is given
    return [(name, torch.cat([treat(part, rng) for part in parts])) for name, treat in TREATMENTS.items()]


def images_of_no_digits(real: Tensor) -> list[tuple[str, Tensor]]:
    """Noise, blank images, inverted digits, letters in fonts that no detector learns from: as many each as `real`."""
    rng = torch.Generator().manual_seed(SEED)
    return [
        ("noise", not_digits.noise(len(real), rng)),
        ("blank", not_digits.blank(len(real), rng)),
        ("inverted", not_digits.inverted(real)),
        ("letters", not_digits.letters(len(real), rng, not_digits.TEST_FONTS)),
    ]


def _called_real(logits: Tensor, threshold: float) -> float:
    return float((logits.double().sigmoid() >= threshold).double().mean())
