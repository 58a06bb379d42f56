"""In training they are torch's own layers, with their first and second derivatives; and out of it, literally."""

import pytest
import torch
from torch import Tensor, nn

from training.image_convolutions import ConvFromImage, ConvToImage

CHANNELS = 3
PAIRS = {
    "from the image": (ConvFromImage(CHANNELS), nn.Conv2d(1, CHANNELS, 5, stride=2, padding=2), (4, 1, 28, 28)),
    "to the image": (
        ConvToImage(CHANNELS),
        nn.ConvTranspose2d(CHANNELS, 1, 4, stride=2, padding=1),
        (4, CHANNELS, 14, 14),
    ),
}


def derivatives(layer: nn.Module, images: Tensor) -> list[Tensor]:
    """The output, the gradients of a loss of it, and those of a penalty on the slope, as R1 is one."""
    images = images.clone().requires_grad_()
    wanted = [images, *layer.parameters()]
    output = layer(images)
    first = torch.autograd.grad(output.sin().sum(), wanted, create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), wanted)
    return [output, *first, *second]


@pytest.mark.parametrize(("layer", "torchs", "shape"), PAIRS.values(), ids=PAIRS)
def test_in_training_they_are_torchs_own_but_for_rounding(
    layer: nn.Module, torchs: nn.Module, shape: tuple[int, ...]
) -> None:
    torchs.load_state_dict(layer.state_dict())
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = derivatives(layer.double().train(), images)
    torch.testing.assert_close(found, derivatives(torchs.double(), images), rtol=1e-9, atol=1e-9)
    assert torch.equal(layer.eval()(images), torchs(images))
