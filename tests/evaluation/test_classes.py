"""The class histogram, and the classifier that is fitted to digits."""

import math

import pytest
import torch

from evaluation.class_histogram import class_histogram, divergence_from_uniform
from evaluation.fit_classifier import accuracy, fit_classifier
from training.data import DataSet


def test_divergence_is_zero_for_as_many_of_each_and_ln_10_for_one_class() -> None:
    assert divergence_from_uniform(class_histogram(torch.arange(200) % 10)) == pytest.approx(0, abs=1e-12)
    assert divergence_from_uniform(class_histogram(torch.full((50,), 3))) == pytest.approx(math.log(10))
    assert divergence_from_uniform(class_histogram(torch.arange(100) % 5)) == pytest.approx(math.log(2))


def test_the_histogram_counts_classes_that_are_missing() -> None:
    assert class_histogram(torch.tensor([1, 1, 8])).tolist() == [0, 2, 0, 0, 0, 0, 0, 0, 1, 0]


def test_a_fitted_classifier_recognises_unseen_digits_by_the_labels_that_it_was_taught(small_digits: DataSet) -> None:
    fit, test = small_digits.fit, small_digits.test
    seen: list[int] = []
    classifier = fit_classifier(
        fit.images, (fit.labels + 1) % 10, epochs=3, after_epoch=lambda epoch, _: seen.append(epoch)
    )
    assert accuracy(classifier, test.images, (test.labels + 1) % 10) > 0.4  # it takes more epochs for more
    assert accuracy(classifier, test.images, test.labels) < 0.2
    assert seen == [1, 2, 3]


def test_the_same_seed_gives_the_same_classifier_and_leaves_the_global_random_numbers_alone(
    small_digits: DataSet,
) -> None:
    few = small_digits.fit[:256]
    torch.manual_seed(5)
    first = fit_classifier(few.images, few.labels, epochs=1, seed=1)
    drawn = torch.rand(1)
    second, other = (fit_classifier(few.images, few.labels, epochs=1, seed=seed) for seed in (1, 2))
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert not torch.equal(first.logits.weight, other.logits.weight)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)


def test_too_few_images_are_refused(small_digits: DataSet) -> None:
    with pytest.raises(ValueError, match="127 images are too few to fit a classifier: a batch has 128"):
        fit_classifier(small_digits.fit.images[:127], small_digits.fit.labels[:127])
