import numpy as np
import pytest
import torch
from scipy import linalg

from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.frechet import frechet_distance
from evaluation.quality import Reference, detector_auroc, generator_quality
from training.data import DataSet


def gaussian(seed: int, count: int = 500, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed)) + shift


def test_the_shipped_classifier_recognises_99_4_percent_of_mnists_test_set(mnist: DataSet) -> None:
    _, digits = features_and_digits(shipped_classifier(), mnist.test.images)
    assert float((digits == mnist.test.labels).double().mean()) >= 0.994


def test_the_shipped_classifier_reads_the_small_digits(small_digits: DataSet) -> None:
    """Another hand and another scanner: far from its training set, so less is asked for."""
    _, digits = features_and_digits(shipped_classifier(), small_digits.fit.images)
    assert float((digits == small_digits.fit.labels).double().mean()) >= 0.9


def test_frechet_distance_is_that_of_the_formula() -> None:
    first, second = gaussian(0).double().numpy(), (gaussian(1, shift=0.5) * 1.3).double().numpy()
    means, covariances = [x.mean(0) for x in (first, second)], [np.cov(x.T) for x in (first, second)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    found = frechet_distance(torch.from_numpy(first), torch.from_numpy(second))
    assert found == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_equal_sets_is_zero_in_any_order() -> None:
    features = gaussian(0)
    assert frechet_distance(features.flip(0), features) == pytest.approx(0, abs=1e-9)


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
