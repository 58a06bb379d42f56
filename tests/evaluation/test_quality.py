"""The shipped classifier, and the figures that go into a run's checkpoint."""

import pytest
import torch

from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.frechet import frechet_distance
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


def test_the_figures_are_the_distance_the_floor_their_ratio_and_the_share_recognised(small_digits: DataSet) -> None:
    images, labels = small_digits.fit.images[:300], small_digits.fit.labels[:300]
    test, others = small_digits.test.images[:100], small_digits.held_out.images
    classifier = shipped_classifier()
    features, digits = features_and_digits(classifier, images)
    test_features, _ = features_and_digits(classifier, test)
    other_features, _ = features_and_digits(classifier, others[:100])  # as many as there are to compare with
    reference = Reference.of(test, others)
    assert torch.equal(reference.features, test_features)

    asked = labels.clone()
    asked[:30] += 1  # beyond the classes at times: no digit is recognised as that
    found = generator_quality(images, asked, reference)
    distance, floor = frechet_distance(features, test_features), frechet_distance(other_features, test_features)
    right = sum(int(one == other) for one, other in zip(digits.tolist(), asked.tolist(), strict=True))
    assert found == pytest.approx(
        {
            "frechet_distance": distance,
            "frechet_floor": floor,
            "frechet_ratio": distance / floor,
            "recognised_as_asked": right / 300,
        }
    )


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    real, fake = torch.tensor([[3.0], [1.0], [2.0]]), torch.tensor([[0.0], [2.5]])
    assert detector_auroc(real, fake) == pytest.approx(4 / 6)
    assert detector_auroc(fake, real) == pytest.approx(2 / 6)


def test_auroc_tells_apart_what_a_sigmoid_would_tie() -> None:
    assert detector_auroc(torch.tensor([100.0, 101.0]), torch.tensor([90.0, 99.0])) == 1.0
