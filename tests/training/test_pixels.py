import pytest
import torch

from training.pixels import normalise, to_uint8


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.5), (0.1, 0.5)])
def test_to_uint8_is_the_inverse_of_normalise(mean: float, std: float) -> None:
    images = torch.arange(784).remainder(256).to(torch.uint8).reshape(1, 28, 28)
    assert torch.equal(to_uint8(normalise(images, mean, std), mean, std), images)


def test_what_is_out_of_range_is_clamped() -> None:
    assert to_uint8(torch.tensor([[-9.0, 9.0] * 392]), 0.5, 0.5).unique().tolist() == [0, 255]


def test_real_pixels_lie_where_the_presets_say() -> None:
    extremes = torch.tensor([0, 255], dtype=torch.uint8).repeat(392).reshape(1, 28, 28)
    assert normalise(extremes, 0.5, 0.5).unique().tolist() == [-1.0, 1.0]
    low, high = normalise(extremes, 0.1, 0.5).aminmax()
    assert (float(low), float(high)) == pytest.approx((-0.2, 1.8))
