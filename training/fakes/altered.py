"""Fakes made of real digits: two of a class mixed or put together from parts, or with noise on them."""

import torch
from torch import Tensor

from evaluation.rounding import rounded


class MixedDigits:
    """Two real digits of one class: interpolated pixel by pixel, or the upper part of one on the lower of the other."""

    def __init__(self, images: Tensor, digits: Tensor) -> None:
        self.by_class = [images[digits == digit] for digit in digits.unique().tolist()]

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        answer = torch.empty(count, 28, 28)
        which = torch.randint(len(self.by_class), (count,), generator=rng)
        for number in which.unique().tolist():
            (chosen,) = torch.where(which == number)
            images = self.by_class[number]
            one, other = images[torch.randint(len(images), (2, len(chosen)), generator=rng)].float()
            share = 0.25 + 0.5 * torch.rand(len(chosen), 1, 1, generator=rng)
            blend = share * one + (1 - share) * other
            cut = 10 + 8 * torch.rand(len(chosen), 1, 1, generator=rng)
            collage = torch.where(torch.arange(28)[:, None] < cut, one, other)
            across = torch.rand(len(chosen), 1, 1, generator=rng) < 0.5
            collage = torch.where(across, torch.where(torch.arange(28) < cut, one, other), collage)
            answer[chosen] = torch.where(torch.rand(len(chosen), 1, 1, generator=rng) < 0.5, blend, collage)
        return rounded(answer)


class NoisedDigits:
    """Real digits with noise that no camera and no JPEG file leaves: normal, or single pixels flipped."""

    def __init__(self, images: Tensor) -> None:
        self.real = images

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        images = self.real[torch.randint(len(self.real), (count,), generator=rng)].float()
        deviation = 15 + 65 * torch.rand(count, 1, 1, generator=rng)
        noisy = images + deviation * torch.randn(count, 28, 28, generator=rng)
        flipped = torch.rand(count, 28, 28, generator=rng) < 0.01 + 0.1 * torch.rand(count, 1, 1, generator=rng)
        speckled = torch.where(flipped, 255 * torch.rand(count, 28, 28, generator=rng), images)
        kind = torch.rand(count, 1, 1, generator=rng) < 0.5
        return rounded(torch.where(kind, noisy, speckled))
