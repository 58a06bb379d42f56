"""Fakes that are no digits at all: a detector that says "real" means a real handwritten digit."""

import torch
from torch import Tensor

from evaluation import not_digits

LETTERS = 20_000  # rendered once: a font takes its time


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
            torch.multinomial(torch.tensor([1.0, 1.0, 1.0, 3.0]), count, replacement=True, generator=rng)
            .bincount(minlength=4)[:3]
            .tolist()
        )
        letters = count - noise - blank - inverted
        return torch.cat(
            [
                not_digits.noise(noise, rng),
                not_digits.blank(blank, rng),
                not_digits.inverted(self.real[torch.randint(len(self.real), (inverted,), generator=rng)]),
                self.letters[torch.randint(len(self.letters), (letters,), generator=rng)],
            ]
        )
