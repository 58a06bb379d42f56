"""Fakes made of real digits: two of a class mixed or put together from parts, with noise on them, or squashed."""

import torch
from torch import Tensor

from evaluation.rounding import rounded
from training.fakes.kind import to_pixels


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


class SquashedDigits:
    """Real digits as the sigmoid or tanh at a network's end would give them, however well it had learned their shapes.

    The levels become logits, those of black and of full ink at a distance that it keeps from both; these are blurred a
    little and get some noise, and the sigmoid takes them back. Its levels next to black are what is left to see.
    """

    BLUR, NOISE, BLACK = (0.04, 0.2), (0.2, 0.8), (-4.0, -2.4)  # least and most; of black the decimal logarithm

    def __init__(self, images: Tensor) -> None:
        self.real = images

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        images = self.real[torch.randint(len(self.real), (count,), generator=rng)].float()
        beside, noise, black = (
            low + (high - low) * torch.rand(count, 1, 1, generator=rng)
            for low, high in (self.BLUR, self.NOISE, self.BLACK)
        )
        logits = torch.logit((images / 255).clamp(10**black, 1 - 10**black))
        for axis in (1, 2):
            neighbours = logits.roll(1, axis) + logits.roll(-1, axis)
            logits = (1 - 2 * beside) * logits + beside * neighbours
        logits = logits + noise * torch.randn(count, 28, 28, generator=rng)
        return to_pixels(255 * torch.sigmoid(logits), rng)
