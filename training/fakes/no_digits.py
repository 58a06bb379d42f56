"""Outliers: what is no digit at all. A detector that says "real" means a real handwritten digit, and one."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation import not_digits
from evaluation.pen import distance_fields, drawn, scribbles
from evaluation.rounding import rounded
from evaluation.treatments import affine
from training.fakes.written_letters import written

LETTERS = 10_000  # rendered once: a font takes its time
DOODLES = 2_000  # paths, which are drawn anew each time
WRITTEN = 40  # of each letter, likewise
MOST_TURN, MOST_STRETCH, MOST_SHEAR = 0.3, 0.2, 0.3
MOST_PARTS = 5  # of a shape
ALWAYS = {"noise": 1.0, "blank": 1.0, "inverted": 1.0, "several": 3.0}
# What another data set might show: letters, clothes.
BESIDE_DIGITS = {
    "shapes": 1.0,
    "silhouettes": 1.2,
    "strips": 0.4,
    "letters": 1.5,
    "drawn letters": 3.5,
    "written letters": 6.0,
    "doodles": 2.0,
}
SIGN_SHARE = 0.35  # of what stands beside digits in `several`


class NoDigits:
    """Outliers of many kinds; only those that are none of the data set's own things.

    Args:
        images: The training set, uint8[count, 28, 28].
        shows_digits: It shows digits; else letters, doodles and silhouettes may be what it shows, and are left out.
        rng: For what is made once.
        letters: How many printed letters to make.
    """

    def __init__(self, images: Tensor, shows_digits: bool, rng: torch.Generator, letters: int = LETTERS) -> None:
        self.real = images
        self.shares = ALWAYS | (BESIDE_DIGITS if shows_digits else {})
        self.makers: dict[str, Callable[[int, torch.Generator], Tensor]] = {
            "noise": not_digits.noise,
            "blank": not_digits.blank,
            "inverted": lambda count, rng: not_digits.inverted(self._some(self.real, count, rng)),
            "several": lambda count, rng: not_digits.several(self.parts(2 * count, rng), count, rng),
            "shapes": shapes,
            "silhouettes": not_digits.silhouettes,
            "strips": not_digits.strips,
            "letters": lambda count, rng: deformed(self._some(self.letters, count, rng), rng),
            "drawn letters": lambda count, rng: drawn(self._some(self.glyphs, count, rng), rng),
            "written letters": lambda count, rng: drawn(self._some(self.written, count, rng), rng),
            "doodles": lambda count, rng: drawn(self._some(self.doodles, count, rng), rng),
        }
        if shows_digits:
            every = not_digits.LETTERS + not_digits.GREEK + not_digits.SIGNS
            self.letters = not_digits.letters(letters, rng, not_digits.TRAINING_FONTS)
            self.glyphs = not_digits.glyph_paths(every, not_digits.TRAINING_FONTS)
            self.written = distance_fields(written(max(1, min(WRITTEN, letters // 100)), rng))
            self.doodles = distance_fields(scribbles(min(DOODLES, letters), rng))

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        shares = torch.tensor(list(self.shares.values()))
        drawn_numbers = torch.multinomial(shares, max(count, 1), replacement=True, generator=rng)[:count]
        numbers = drawn_numbers.bincount(minlength=len(shares)).tolist()
        parts = [self.makers[name](number, rng) for name, number in zip(self.shares, numbers, strict=True) if number]
        return torch.cat([self.real[:0], *parts])

    def parts(self, count: int, rng: torch.Generator) -> Tensor:
        """What stands side by side in an image of several: real digits, and letters and signs among them."""
        signs = int(SIGN_SHARE * count) if "drawn letters" in self.shares else 0
        real = self._some(self.real, count - signs, rng)
        return torch.cat([real, self.makers["drawn letters"](signs, rng)]) if signs else real

    @staticmethod
    def _some(images: Tensor, count: int, rng: torch.Generator) -> Tensor:
        return images[torch.randint(len(images), (count,), generator=rng)]


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
