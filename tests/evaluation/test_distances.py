"""The distances between two sets of features, and precision, recall, density and coverage."""

import numpy as np
import pytest
import torch
from scipy import linalg
from scipy.spatial.distance import cdist

from evaluation import kernel
from evaluation.frechet import frechet_distance
from evaluation.kernel import kernel_distance
from evaluation.precision_recall import precision_recall


def gaussian(seed: int, count: int = 500, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed)) + shift


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


def squared_mmd(first: np.ndarray, second: np.ndarray) -> float:
    """The unbiased estimate, with the cubic kernel, of as many in both sets."""
    count = len(first)

    def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)

    def off_diagonal_mean(x: np.ndarray) -> float:
        return float((x.sum() - np.trace(x)) / (count * (count - 1)))

    within = off_diagonal_mean(cubic(first, first)) + off_diagonal_mean(cubic(second, second))
    return float(within - 2 * cubic(first, second).mean())


def test_kernel_distance_of_small_sets_is_the_unbiased_estimate_of_the_formula() -> None:
    """Sets of no more than a subset are taken whole, so nothing is random."""
    first, second = gaussian(0, 60).double(), gaussian(1, 60, shift=0.5).double()
    expected = squared_mmd(first.numpy(), second.numpy())
    assert kernel_distance(first, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("limit", "subset"), [(40, 40), (1000, 60)])
def test_kernel_distance_of_larger_sets_is_the_mean_over_a_hundred_subsets(
    limit: int, subset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of so many features, or of as many as the smaller set has."""
    monkeypatch.setattr(kernel, "SUBSET_SIZE", limit)
    features, reference = gaussian(0, 60).double(), gaussian(1, 90, shift=0.5).double()
    torch.manual_seed(0)
    draws = [(torch.randperm(90)[:subset], torch.randperm(60)[:subset]) for _ in range(100)]
    parts = [squared_mmd(reference[real].numpy(), features[fake].numpy()) for real, fake in draws]
    assert kernel_distance(features, reference) == pytest.approx(np.mean(parts), rel=1e-9)


def test_kernel_distance_is_near_zero_for_the_same_distribution_and_far_for_another() -> None:
    same = kernel_distance(gaussian(0, 250), gaussian(1, 250))
    other = kernel_distance(gaussian(0, 250, shift=0.3), gaussian(1, 250))
    assert abs(same) < 0.03 < 0.1 < other


def test_kernel_distance_repeats_and_leaves_the_global_random_numbers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "SUBSET_SIZE", 50)
    torch.manual_seed(0)
    first = kernel_distance(gaussian(0), gaussian(1))
    drawn = torch.rand(1)
    assert kernel_distance(gaussian(0), gaussian(1)) == first
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), drawn)


def as_prdc_has_it(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """The definitions in the package `prdc`, with whole matrices."""
    real_radii, fake_radii = (np.sort(cdist(x, x), axis=1)[:, k] for x in (real, fake))
    distances = cdist(real, fake)
    return (
        float((distances < real_radii[:, None]).any(axis=0).mean()),
        float((distances < fake_radii[None, :]).any(axis=1).mean()),
        float((distances < real_radii[:, None]).sum(axis=0).mean() / k),
        float((distances.min(axis=1) < real_radii).mean()),
    )


@pytest.mark.parametrize("chunk", [7, 100, 1000])
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (0.6, 1.0), (0.0, 0.4)])
def test_precision_and_recall_are_those_of_prdc_whatever_the_chunk(shift: float, scale: float, chunk: int) -> None:
    real, fake = gaussian(0, 250).double(), gaussian(1, 200, shift).double() * scale
    found = precision_recall(fake, real, neighbours=5, chunk=chunk)
    expected = as_prdc_has_it(real.numpy(), fake.numpy(), 5)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected, abs=1e-12)


def test_precision_and_recall_of_equal_sets_are_one_and_of_distant_ones_zero() -> None:
    features = gaussian(0)
    same, far = precision_recall(features.flip(0), features), precision_recall(gaussian(1, shift=50.0), features)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert same.density == pytest.approx(1, abs=0.01)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_a_generator_of_few_images_has_precision_without_recall() -> None:
    real = gaussian(0)
    found = precision_recall(real[:10].repeat(50, 1) + 1e-3 * gaussian(1), real)
    assert found.precision > 0.9
    assert found.recall < 0.1
    assert found.coverage < 0.3


def test_sets_too_small_for_their_neighbours_are_refused() -> None:
    with pytest.raises(ValueError, match="5 generated images are too few"):
        precision_recall(gaussian(0, 5), gaussian(1), neighbours=5)
