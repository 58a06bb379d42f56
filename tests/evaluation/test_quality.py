"""The shipped classifier, and the figures that go into a run's checkpoint."""

import pytest
import torch

from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.quality import detector_auroc, generator_quality
from evaluation.reference import Reference
from training.data import DataSet


def test_the_shipped_classifier_recognises_99_4_percent_of_mnists_test_set(mnist: DataSet) -> None:
    _, digits = features_and_digits(shipped_classifier(), mnist.test.images)
    assert float((digits == mnist.test.labels).double().mean()) >= 0.994


def test_the_shipped_classifier_reads_the_small_digits(small_digits: DataSet) -> None:
    """Another hand and another scanner: far from its training set, so less is asked for."""
    _, digits = features_and_digits(shipped_classifier(), small_digits.fit.images)
    assert float((digits == small_digits.fit.labels).double().mean()) >= 0.9


def test_real_digits_score_near_the_floor_and_noise_far_from_it(small_digits: DataSet) -> None:
    digits = small_digits.fit.images
    reference = Reference.of(digits[:400], digits[400:800])
    real = generator_quality(digits[800:1200], small_digits.fit.labels[800:1200], reference)
    noise = torch.randint(0, 256, (400, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert real["frechet_ratio"] < 2 < 20 < generator_quality(noise, None, reference)["frechet_ratio"]
    assert real["recognised_as_asked"] > 0.9
    assert "recognised_as_asked" not in generator_quality(noise, None, reference)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    real, fake = torch.tensor([[3.0], [1.0], [2.0]]), torch.tensor([[0.0], [2.5]])
    assert detector_auroc(real, fake) == pytest.approx(4 / 6)
    assert detector_auroc(fake, real) == pytest.approx(2 / 6)


def test_auroc_tells_apart_what_a_sigmoid_would_tie() -> None:
    assert detector_auroc(torch.tensor([100.0, 101.0]), torch.tensor([90.0, 99.0])) == 1.0
