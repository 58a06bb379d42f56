"""Between uint8 pixels (white ink on black, 0 to 255, as MNIST has it) and the scale that the networks see.

The scale is `Normalize(mean, std)` of pixels in [0, 1]. With the article's (0.1, 0.5) real pixels lie in
[-0.2, 1.8], of which a tanh reaches [-0.2, 1] only; with (0.5, 0.5) they lie in [-1, 1], exactly what it reaches.
"""

import torch
from torch import Tensor


def normalise(images: Tensor, mean: float, std: float) -> Tensor:
    """uint8[batch, 28, 28] -> float32[batch, 784] as the discriminator sees it."""
    return ((images.flatten(1).float() / 255) - mean) / std


def to_levels(normalised: Tensor, mean: float, std: float) -> Tensor:
    """float32[batch, 784] from the generator -> float32[batch, 784], 0 to 255: clamped, not rounded yet."""
    return ((normalised.float() * std + mean) * 255).clamp(0, 255)


def to_uint8(normalised: Tensor, mean: float, std: float) -> Tensor:
    """float32[batch, 784] from the generator -> uint8[batch, 28, 28]: the inverse of `normalise`, clamped, rounded."""
    return to_levels(normalised, mean, std).round().to(torch.uint8).unflatten(1, (28, 28))
