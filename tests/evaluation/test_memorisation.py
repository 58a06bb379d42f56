"""Whether copies of training images are found out, and unseen real digits are not."""

import pytest
import torch

from evaluation.memorisation import memorisation, nearest_training_images
from training.data import DataSet


def noisy(images: torch.Tensor, levels: float) -> torch.Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)) * levels
    return (images.float() + noise).clamp(0, 255).round().to(torch.uint8)


def random_images(seed: int, count: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=rng)


@pytest.mark.parametrize(("chunk", "training_chunk"), [(7, 11), (50, 1000), (1000, 60)])
def test_nearest_images_are_those_of_all_pairs_whatever_the_chunks(chunk: int, training_chunk: int) -> None:
    images, training = random_images(0, 50), random_images(1, 130)
    pairs = torch.cdist(images.flatten(1).double() / 255, training.flatten(1).double() / 255)
    found = nearest_training_images(images, training, chunk, training_chunk)
    assert torch.equal(found.indices, pairs.argmin(dim=1))
    assert torch.allclose(found.distances.double(), pairs.min(dim=1).values, rtol=1e-6)


def test_the_distance_to_an_exact_copy_is_zero(small_digits: DataSet) -> None:
    training = small_digits.fit.images
    chosen = torch.arange(0, len(training), 7)
    found = nearest_training_images(training[chosen], training)
    assert torch.equal(training[found.indices], training[chosen])
    assert not found.distances.any()


@pytest.mark.parametrize("levels", [0, 2, 8])
def test_training_images_fail_even_with_noise(levels: float, small_digits: DataSet) -> None:
    training, unseen = small_digits.fit.images, small_digits.test.images
    real = nearest_training_images(unseen, training).distances
    figures = memorisation(nearest_training_images(noisy(training[:300], levels), training).distances, real)
    assert figures["memorisation_passed"] == 0
    assert figures["nearer_to_training"] > 0.99
    assert figures["near_copies"] > 0.9
    assert figures["training_distance_ratio"] < 0.5


def test_a_few_copies_among_many_new_digits_fail(small_digits: DataSet) -> None:
    training = small_digits.fit.images
    real = nearest_training_images(small_digits.test.images, training).distances
    handed_out = torch.cat([small_digits.held_out.images, training[:10]])  # 1 in 21
    figures = memorisation(nearest_training_images(handed_out, training).distances, real)
    assert figures["nearer_to_training"] < 0.6
    assert figures["memorisation_passed"] == 0


def test_unseen_real_digits_pass(small_digits: DataSet) -> None:
    training = small_digits.fit.images
    real, others = (
        nearest_training_images(part.images, training).distances for part in (small_digits.test, small_digits.held_out)
    )
    figures = memorisation(others, real)
    assert figures["memorisation_passed"] == 1
    assert figures["nearer_to_training"] == pytest.approx(0.5, abs=0.06)
    assert figures["training_distance_ratio"] == pytest.approx(1, abs=0.1)


def test_unseen_digits_of_mnist_pass_and_noisy_training_images_fail(mnist: DataSet) -> None:
    real, others, copies = (
        nearest_training_images(images, mnist.fit.images).distances
        for images in (mnist.test.images[:500], mnist.held_out.images[:500], noisy(mnist.fit.images[:500], 16))
    )
    assert memorisation(others, real)["memorisation_passed"] == 1
    assert memorisation(copies, real)["memorisation_passed"] == 0


def test_the_probability_to_be_nearer_is_that_of_all_pairs() -> None:
    generated, real = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([2.0, 3.0])
    pairs = [(g < r) + 0.5 * (g == r) for g in generated.tolist() for r in real.tolist()]
    assert memorisation(generated, real)["nearer_to_training"] == pytest.approx(sum(pairs) / len(pairs))
    assert memorisation(real, real)["nearer_to_training"] == 0.5


def test_every_figure_is_that_of_its_definition() -> None:
    real = torch.arange(1.0, 102.0)  # the nearest 1% are those below 2
    generated = torch.tensor([1.5, 1.9, 2.0, 30.0, 60.0, 90.0, 95.0, 99.0, 200.0, 300.0])
    figures = memorisation(generated, real)
    assert figures["training_distance"] == float(generated.median())
    assert figures["training_distance_floor"] == 51
    assert figures["training_distance_ratio"] == pytest.approx(60 / 51)
    assert figures["near_copies"] == pytest.approx(0.2)  # 2.0 itself is none
    pairs = [(g < r) + 0.5 * (g == r) for g in generated.tolist() for r in real.tolist()]
    assert figures["nearer_to_training"] == pytest.approx(sum(pairs) / len(pairs))


@pytest.mark.parametrize(
    ("nearer", "copies", "passed"), [(0.6, 0.0, 1), (0.61, 0.0, 0), (0.4, 0.03, 1), (0.4, 0.04, 0)]
)
def test_the_verdict_is_no_at_more_than_either_limit(nearer: float, copies: float, passed: int) -> None:
    """Some are near copies, others only nearer than 99 of 100 real ones, and the rest are far."""
    real = torch.arange(1.0, 101.0)
    generated = torch.full((100,), 1000.0)
    generated[: round(100 * copies)] = 0.5
    others = round(100 * (nearer - copies))
    generated[round(100 * copies) :][:others] = 1.995  # the nearest 1% reach to 1.99
    figures = memorisation(generated, real)
    assert figures["near_copies"] == pytest.approx(copies)
    assert figures["memorisation_passed"] == passed
