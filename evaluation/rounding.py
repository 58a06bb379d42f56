"""From computed pixels to those of an image: what all pictures, real or fake, go through in the same way."""

import torch
from torch import Tensor


def rounded(pixels: Tensor) -> Tensor:
    """float, 0 to 255 and beyond -> uint8, of the same shape."""
    return pixels.round().clamp(0, 255).to(torch.uint8)
