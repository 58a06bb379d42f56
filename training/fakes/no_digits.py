"""Fakes that are no digits at all: a detector that says "real" means a real handwritten digit."""

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation import not_digits
from evaluation.rounding import rounded
from evaluation.treatments import affine

LETTERS = 20_000  # rendered once: a font takes its time
MOST_TURN, MOST_STRETCH, MOST_SHEAR = 0.3, 0.2, 0.3
MOST_PARTS = 5  # of a shape
SHARES = {"noise": 1, "blank": 1, "inverted": 1, "shapes": 1, "letters": 7}


class NoDigits:
    """Noise, blank and inverted images, and shapes, as many of each; and letters from fonts, which take the longest."""

    def __init__(self, images: Tensor, rng: torch.Generator, letters: int = LETTERS) -> None:
        self.real = images
        self.letters = not_digits.letters(letters, rng, not_digits.TRAINING_FONTS)

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        if count == 0:
            return self.letters[:0]
        shares = torch.tensor(list(SHARES.values()), dtype=torch.float32)
        drawn = torch.multinomial(shares, count, replacement=True, generator=rng).bincount(minlength=len(SHARES))
        number = dict(zip(SHARES, drawn.tolist(), strict=True))
        real = self.real[torch.randint(len(self.real), (number["inverted"],), generator=rng)]
        letters = self.letters[torch.randint(len(self.letters), (number["letters"],), generator=rng)]
        return torch.cat(
            [
                not_digits.noise(number["noise"], rng),
                not_digits.blank(number["blank"], rng),
                not_digits.inverted(real),
                shapes(number["shapes"], rng),
                deformed(letters, rng),
            ]
        )


def shapes(count: int, rng: torch.Generator) -> Tensor:
    """Things of one to five parts, uint8[count, 28, 28]: ellipses and boxes, one over another, each with a grey of its
    own, plain or mottled, up to the size of the image. They stand for all that a camera may be held at.
    """
    across = torch.linspace(-1, 1, not_digits.SIZE)
    grid_y, grid_x = torch.meshgrid(across, across, indexing="ij")
    canvas = torch.zeros(count, not_digits.SIZE, not_digits.SIZE)
    parts = torch.randint(1, MOST_PARTS + 1, (count, 1, 1), generator=rng)
    for part in range(MOST_PARTS):
        draws = torch.rand(8, count, 1, 1, generator=rng)
        x, y = 1.2 * draws[0] - 0.6, 1.2 * draws[1] - 0.6
        least = 0.08 if part else 0.2  # a thin line alone would be a one
        wide, high = least + 0.8 * draws[2] ** 1.5, least + 0.8 * draws[3] ** 1.5
        turn = torch.pi * (draws[4] - 0.5) * (draws[5] < 0.5)  # half of them stand upright
        along = ((grid_x - x) * turn.cos() + (grid_y - y) * turn.sin()) / wide
        beside = ((grid_y - y) * turn.cos() - (grid_x - x) * turn.sin()) / high
        power = torch.where(draws[6] < 0.5, 2.0, 8.0)  # a superellipse: of 2 an ellipse, of 8 nearly a box
        inside = (along.abs() ** power + beside.abs() ** power) ** (1 / power)
        cover = (0.5 + (1 - inside) * torch.minimum(wide, high) * not_digits.SIZE / 2).clamp(0, 1)
        side = int(torch.randint(3, 15, (1,), generator=rng))
        mottle = torch.rand(count, 1, side, side, generator=rng)
        mottle = F.interpolate(mottle, not_digits.SIZE, mode="bilinear")[:, 0]
        contrast = 0.8 * (torch.rand(count, 1, 1, generator=rng) - 0.3).clamp(0)
        grey = (0.25 + 0.75 * draws[7]) * (1 - contrast * mottle)
        canvas = torch.where(part < parts, canvas + cover * (grey - canvas), canvas)
    return rounded(255 * canvas)


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
