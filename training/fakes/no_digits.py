"""Fakes that are no digits at all: a detector that says "real" means a real handwritten digit."""

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation import not_digits
from evaluation.rounding import rounded
from evaluation.treatments import affine

LETTERS = 20_000  # rendered once: a font takes its time
MOST_TURN, MOST_STRETCH, MOST_SHEAR = 0.3, 0.2, 0.3


class NoDigits:
    """Noise, blank and inverted images, as many of each, and as many letters from fonts as all of them."""

    def __init__(self, images: Tensor, rng: torch.Generator, letters: int = LETTERS) -> None:
        self.real = images
        self.letters = not_digits.letters(letters, rng, not_digits.TRAINING_FONTS)

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        if count == 0:
            return self.letters[:0]
        noise, blank, inverted = (
            torch.multinomial(torch.tensor([1.0, 1.0, 1.0, 7.0]), count, replacement=True, generator=rng)
            .bincount(minlength=4)[:3]
            .tolist()
        )
        letters = count - noise - blank - inverted
        return torch.cat(
            [
                not_digits.noise(noise, rng),
                not_digits.blank(blank, rng),
                not_digits.inverted(self.real[torch.randint(len(self.real), (inverted,), generator=rng)]),
                deformed(self.letters[torch.randint(len(self.letters), (letters,), generator=rng)], rng),
            ]
        )


def deformed(letters: Tensor, rng: torch.Generator) -> Tensor:
    """Half of letters uint8[count, 28, 28] with thicker or thinner strokes, three quarters of them turned, stretched
    and sheared: a few fonts then stand for many.
    """
    count = len(letters)
    if count == 0:
        return letters
    pixels = letters[:, None].float()
    thicker = F.max_pool2d(pixels, 3, stride=1, padding=1)
    thinner = -F.max_pool2d(-pixels, 3, stride=1, padding=1)
    weight = (4 * torch.rand(count, 1, 1, 1, generator=rng) - 2).clamp(-1, 1)
    change = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
    other = torch.where(weight > 0, thicker, thinner)
    pixels = torch.where(change, pixels + 0.5 * weight.abs() * (other - pixels), pixels)

    turn, across, down, shear = (2 * torch.rand(4, count, generator=rng) - 1).unbind()
    turn, shear = MOST_TURN * turn, MOST_SHEAR * shear
    across, down = 1 + MOST_STRETCH * across, 1 + MOST_STRETCH * down
    pixels = pixels[:, 0]
    turned = affine(pixels, turn, across, down, shear)
    move = torch.rand(count, 1, 1, generator=rng) < 0.75
    return rounded(torch.where(move, turned, pixels))
