"""The convolutions next to the image, of a single channel and with a stride of 2, as a CPU trains them quickly.

oneDNN computes their sums as it should, and their gradients ten times slower: with respect to 64 images it takes 2 ms
of a core with AVX-512. An image is as well a grid of half the size whose cells hold 2 by 2 pixels, as channels; on that
grid the same convolution has a stride of 1, and a kernel of 3 by 3 cells, padded with zeros. In training the layers
compute it so. The weights, their names and, but for rounding, the results are those of torch's own layers, which these
are outside of training, and in an exported graph.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELL = 2  # pixels in each direction, as the stride has it


class ConvFromImage(nn.Conv2d):
    """Images float[batch, 1, height, width] to float[batch, channels, height / 2, width / 2], 5 by 5, a stride of 2."""

    def __init__(self, channels: int) -> None:
        super().__init__(1, channels, 5, stride=CELL, padding=2)

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        weight = F.pad(self.weight, (0, 1, 0, 1))  # the sixth row and column of three cells
        return F.conv2d(_cells(input), _cells(weight), self.bias, padding=1)


class ConvToImage(nn.ConvTranspose2d):
    """The way back: float[batch, channels, height, width] to images of twice the size, 4 by 4, a stride of 2."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1, 4, stride=CELL, padding=1)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not self.training:
            return super().forward(input, output_size)
        # A transposed convolution is one with the kernel turned round, and the channels' places exchanged.
        weight = F.pixel_unshuffle(F.pad(self.weight, (1, 1, 1, 1)), CELL).flip(2, 3).transpose(0, 1)
        bias = self.bias.expand(CELL * CELL) if self.bias is not None else None
        return F.pixel_shuffle(F.conv2d(input, weight, bias, padding=1), CELL)


def _cells(images: Tensor) -> Tensor:
    """float[count, 1, height, width] -> float[count, 4, height / 2, width / 2], channels last, as oneDNN likes them."""
    return F.pixel_unshuffle(images, CELL).contiguous(memory_format=torch.channels_last)
