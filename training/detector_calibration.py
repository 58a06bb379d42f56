"""What a detector's answers become by calibration, and where its verdicts begin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evaluation.calibration import fit_platt, fit_temperature
from evaluation.detector_quality import Scores, sent_images, treated_images
from training.checkpoint import THRESHOLD
from training.config import TrainingConfig
from training.data import LabelledImages
from training.networks import Detector, DetectorOutput
from training.pixels import normalise

CHUNK = 500  # images at a time

# A verdict begins at 0.5, or at what so many of the held-out real images get, if that is less: of those that are as
# they were, of those after each treatment, and of those that were sent as pictures. Both are needed to be called real.
REFUSED = {"logit": 0.006, "one_digit_logit": 0.003}
TREATED_REFUSED = {"logit": 0.024, "one_digit_logit": 0.008}


@dataclass(frozen=True)
class Calibration:
    """How a detector's logits became those of probabilities, `scale * logit + shift`, folded into its last layers.

    Attributes:
        scale, shift: Of the line (Platt 1999) of the logit of being real.
        images: Real images, and as many fakes, that it was fitted to; as many of what is no digit.
        threshold: The probability from which an image may be called real.
        one_digit_scale, one_digit_shift: Of the line of the logit of showing one digit.
        one_digit_threshold: The probability of one digit from which it may: an image is called real that reaches both.
        digit_scale: What the logits of the classes were multiplied with (Guo et al. 2017, temperature scaling).
    """

    scale: float
    shift: float
    images: int
    threshold: float
    one_digit_scale: float
    one_digit_shift: float
    one_digit_threshold: float
    digit_scale: float


@torch.no_grad()
def calibrate(
    detector: Detector, config: TrainingConfig, held_out: LabelledImages, fakes: Tensor, no_digits: Tensor
) -> Calibration:
    """Calibrate a detector in place.

    Args:
        detector: In inference mode.
        config: The run's.
        held_out: Real images that no step saw.
        fakes: As many fresh ones of its generator, uint8[count, 28, 28].
        no_digits: As many of what is none.
    """
    real = output_of(detector, config, held_out.images)
    scale, shift = fit_platt(real.logit, output_of(detector, config, fakes).logit)
    outliers = output_of(detector, config, no_digits)
    one_digit_scale, one_digit_shift = fit_platt(real.one_digit_logit, outliers.one_digit_logit)
    digit_scale = fit_temperature(real.digit_logits, held_out.labels)
    _fold(detector.logit, scale, shift)
    _fold(detector.one_digit_logit, one_digit_scale, one_digit_shift)
    _fold(detector.digit_logits, digit_scale, 0.0)

    # Of the held-out images in each form, the probabilities of both heads.
    as_they_are = output_of(detector, config, held_out.images)
    others = [*treated_images(held_out.images), *sent_images(held_out.images)]
    changed = [output_of(detector, config, images) for _, images in others]

    def threshold(head: Callable[[DetectorOutput], Tensor], refused: float, treated_refused: float) -> float:
        limits = [_lowest(head(as_they_are), refused), *(_lowest(head(each), treated_refused) for each in changed)]
        return min(THRESHOLD, *limits)

    return Calibration(
        scale,
        shift,
        len(held_out),
        threshold(lambda output: output.logit, REFUSED["logit"], TREATED_REFUSED["logit"]),
        one_digit_scale,
        one_digit_shift,
        threshold(
            lambda output: output.one_digit_logit, REFUSED["one_digit_logit"], TREATED_REFUSED["one_digit_logit"]
        ),
        digit_scale,
    )


def _fold(layer: nn.Linear, scale: float, shift: float) -> None:
    layer.weight.mul_(scale)
    layer.bias.mul_(scale).add_(shift)


def _lowest(logits: Tensor, share: float) -> float:
    return float(logits.flatten().double().sigmoid().quantile(share))


def scores_of(detector: nn.Module, config: TrainingConfig, images: Tensor) -> Scores:
    """What a detector says of images uint8[count, 28, 28], on the CPU; a discriminator is asked one thing only."""
    output = output_of(detector, config, images)
    if not isinstance(output, DetectorOutput):
        return Scores(output.flatten())
    return Scores(output.logit.flatten(), output.one_digit_logit.flatten().sigmoid(), output.digit_logits.argmax(dim=1))


def logits_of(detector: nn.Module, config: TrainingConfig, images: Tensor) -> Tensor:
    """The first of them: the logits of being real, float32[count]."""
    return scores_of(detector, config, images).real


@torch.no_grad()
def output_of(detector: nn.Module, config: TrainingConfig, images: Tensor) -> Any:
    """A network's answer for images uint8[count, 28, 28], on the CPU: a `DetectorOutput`, or logits."""
    device = next(detector.parameters()).device
    parts = [detector(normalise(part.to(device), config.pixel_mean, config.pixel_std)) for part in images.split(CHUNK)]
    if isinstance(parts[0], DetectorOutput):
        return DetectorOutput(*(torch.cat(columns).cpu() for columns in zip(*parts, strict=True)))
    return torch.cat(parts).cpu()
