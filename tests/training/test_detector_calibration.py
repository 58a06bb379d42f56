"""What a detector's answers become, and where its verdicts begin."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evaluation.calibration import fit_platt, fit_temperature
from evaluation.detector_quality import sent_images, treated_images
from tests.training.tiny_runs import SMALL
from training.config import PRESETS
from training.data import DataSet, LabelledImages
from training.detector_calibration import REFUSED, TREATED_REFUSED, calibrate, logits_of, output_of
from training.networks import DetectorOutput

CONFIG = PRESETS["default"].with_options(SMALL)


class Contrast(nn.Module):
    """A detector that goes by the deviation of the pixels alone."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.logit, self.one_digit_logit, self.digit_logits = nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 10)
        for layer in (self.logit, self.one_digit_logit):
            nn.init.constant_(layer.weight, weight)
            nn.init.constant_(layer.bias, 0.5)

    def forward(self, images: Tensor) -> DetectorOutput:
        contrast = images.std(dim=1, keepdim=True)
        return DetectorOutput(self.logit(contrast), self.digit_logits(contrast), self.one_digit_logit(contrast))


@pytest.mark.parametrize(
    ("weight", "dimmed", "lowest"),
    [
        (3.0, 0.0, "a half"),  # fakes that are blank: no digit comes near them
        (3.0, 0.8, "changed"),  # by what takes contrast
    ],
)
def test_a_threshold_is_a_half_or_what_few_of_the_held_out_digits_get(
    weight: float, dimmed: float, lowest: str, small_digits: DataSet
) -> None:
    real = (small_digits.held_out.images * 0.8).to(torch.uint8)
    fakes = (real * dimmed).to(torch.uint8)
    detector = Contrast(weight)
    raw = copy.deepcopy(detector)
    scale, shift = fit_platt(logits_of(raw, CONFIG, real), logits_of(raw, CONFIG, fakes))
    held_out = LabelledImages(real, small_digits.held_out.labels)
    found = calibrate(detector, CONFIG, held_out, fakes, fakes)  # type: ignore[arg-type]  # all it needs is last layers
    assert (found.scale, found.shift, found.images) == pytest.approx((scale, shift, len(real)))
    assert (found.one_digit_scale, found.one_digit_shift) == pytest.approx((scale, shift))

    def probabilities(images: Tensor) -> np.ndarray:
        return np.asarray((scale * logits_of(raw, CONFIG, images).double() + shift).sigmoid())

    changed = [images for _, images in (*treated_images(real), *sent_images(real))]
    for head, threshold in (("logit", found.threshold), ("one_digit_logit", found.one_digit_threshold)):
        limits = {
            "a half": 0.5,
            "as they were": np.quantile(probabilities(real), REFUSED[head]),
            "changed": min(np.quantile(probabilities(images), TREATED_REFUSED[head]) for images in changed),
        }
        assert threshold == pytest.approx(min(limits.values()), rel=1e-3)
        if head == "logit":
            assert min(limits, key=limits.__getitem__) == lowest
    output = output_of(detector, CONFIG, real)
    for logits in (output.logit, output.one_digit_logit):
        assert np.asarray(logits.flatten().double().sigmoid()) == pytest.approx(probabilities(real), rel=1e-4)


def test_the_classes_are_calibrated_by_one_factor(small_digits: DataSet) -> None:
    torch.manual_seed(0)
    held_out = small_digits.held_out
    detector = Contrast(1.0)
    before = output_of(detector, CONFIG, held_out.images).digit_logits
    found = calibrate(detector, CONFIG, held_out, held_out.images // 2, held_out.images // 3)  # type: ignore[arg-type]
    assert found.digit_scale == pytest.approx(fit_temperature(before, held_out.labels))
    after = output_of(detector, CONFIG, held_out.images).digit_logits
    assert torch.allclose(after, before * found.digit_scale, atol=1e-4)
