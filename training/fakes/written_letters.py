"""Letters as a hand writes them, stroke after stroke: those of fonts have serifs and even forms, which no hand has.

Each is given by a few places of its strokes, on a grid of ten by ten, column and row, from the upper left. A smooth
curve is led through them (Catmull and Rom 1974), after each has been moved at random.
"""

import torch
from torch import Tensor

from evaluation.pen import EXTENT, FIELD

# Without ζ, σ, ς, ο and ι, which look like digits; of the Latin ones, those of `evaluation.not_digits.LETTERS`.
STROKES = {
    "α": "92 65 38 15 13 32 54 87",
    "α, looped": "91 67 39 15 22 42 65 88 97",
    "α, round": "63 32 15 27 49 66 72 78 99",
    "α, wide": "92 55 27 06 03 31 64 97",
    "α, crossed": "80 62 36 17 14 32 45 68 88",
    "β": "19 24 31 60 72 44, 44 76 68 48 26",
    "β, in one": "09 34 51 72 54 43 65 67 48 27",
    "γ": "12 23 46 49, 81 46 39",
    "γ, straight": "11 46, 81 46 29",
    "γ, leaning": "13 22 33 46, 91 64 46 28",
    "γ, slender": "22 31 43 56 59, 81 66 59",
    "γ, looped": "12 32 45 58 49 38 46 82",
    "δ": "72 51 33 65 78 59 37 45 64",
    "ε": "72 41 22 34 55, 55 26 18 49 78",
    "ε, round": "71 32 34 65, 65 26 28 59 88",
    "η": "12 22 29, 25 42 64 69",
    "θ": "50 22 15 28 59 78 85 72 50, 25 75",
    "θ, wide": "51 23 15 37 58 87 95 83 51, 35 75",
    "κ": "21 29, 72 25 79",
    "λ": "10 31 55 89, 55 19",
    "λ, hooked": "01 20 42 57 79 88, 44 19",
    "μ": "22 19, 26 48 66, 62 67 88",
    "ν": "12 48, 48 73 71",
    "ξ": "70 31 33 64, 64 34 16 28 68 59",
    "π": "13 31 82, 32 38, 62 67 88",
    "π, straight": "12 82, 32 29, 62 69",
    "ρ": "19 25 42 63 66 48 26",
    "τ": "12 82, 52 47 59 69",
    "υ": "12 16 48 76 72",
    "φ": "53 24 16 48 78 86 74 53, 51 49",
    "χ": "12 32 68 89, 81 19",
    "ψ": "12 25 57 85 82, 50 59",
    "ω": "32 15 28 47 44, 47 68 86 83 72",
    "Γ": "19 11, 11 81",
    "Δ": "50 19, 19 89, 89 50",
    "Λ": "50 19, 50 89",
    "Π": "11 19, 11 81, 81 89",
    "Σ": "81 21, 21 55, 55 18, 18 89",
    "Φ": "52 14 26 57 86 94 52, 50 59",
    "Ω": "09 39, 39 15 31 61 85 69, 69 99",
    "A": "50 19, 50 89, 25 75",
    "E": "81 21 29, 29 89, 25 75",
    "F": "81 21, 21 29, 25 65",
    "H": "11 19, 81 89, 15 85",
    "K": "11 19, 81 15, 15 89",
    "M": "19 21, 21 55, 55 81, 81 89",
    "N": "19 11, 11 89, 89 81",
    "P": "21 29, 21 62 64 25",
    "R": "21 29, 21 62 64 25, 25 79",
    "T": "11 81, 51 59",
    "V": "11 59, 59 81",
    "W": "11 39, 39 53, 53 69, 69 81",
    "X": "11 89, 81 19",
    "Y": "11 55, 81 55 49",
    "C": "82 51 14 17 59 87",
    "J": "31 91, 61 66 48 27",
    "a": "73 43 26 38 66, 72 67 89",
    "d": "75 44 27 49 77, 80 78 99",
    "e": "25 75 72 42 25 28 59 78",
    "f": "81 51 43 49, 24 74",
    "h": "20 29, 25 43 65 69",
    "m": "12 19, 14 32 45 49, 44 62 75 79",
    "n": "22 29, 25 43 64 69",
    "r": "22 29, 25 43 73",
    "t": "50 47 59 78, 23 83",
    "w": "12 28 44 68 82",
    "x": "12 32 68 88, 82 18",
    "√": "05 25 49, 49 71 91",
    "#": "41 29, 81 69, 13 93, 06 86",
    "&": "88 33 41 63 25 28 59 86",
    "?": "22 41 72 64 46, 48 49",
    "+": "51 59, 15 85",
    "=": "13 83, 16 86",
}
GRID = 9  # steps from one side to the other
MOMENTS = 24  # on a curve between two places
SHAKE = 0.4  # standard deviation of a place, in steps of the grid
STRETCH = 0.3  # share by which a letter is wider or narrower


def written(times: int, rng: torch.Generator) -> Tensor:
    """The paths of each letter so many times, bool[letters * times, 64, 64]."""
    images = torch.zeros(len(STROKES), times, FIELD, FIELD, dtype=torch.bool)
    each = torch.arange(times)[:, None]
    for image, strokes in zip(images, STROKES.values(), strict=True):
        wide = 1 + STRETCH * (2 * torch.rand(times, 1, generator=rng) - 1)
        for stroke in strokes.split(", "):
            places = torch.tensor([[int(digit) for digit in place] for place in stroke.split()]) - GRID / 2
            moved = places + SHAKE * torch.randn(times, *places.shape, generator=rng)
            across, down = (FIELD / 2 + EXTENT / 1.2 / GRID * curve(moved)).unbind(dim=2)
            across = FIELD / 2 + wide * (across - FIELD / 2)
            columns, rows = (axis.round().long().clamp(0, FIELD - 1) for axis in (across, down))
            image[each, rows, columns] = True
    return images.flatten(0, 1)


def curve(places: Tensor) -> Tensor:
    """A smooth curve through places float[count, places, 2]: float[count, (places - 1) * MOMENTS + 1, 2]."""
    first, last = (2 * places[:, [end]] - places[:, [beside]] for end, beside in ((0, 1), (-1, -2)))
    around = torch.cat([first, places, last], dim=1).unfold(1, 4, 1).unsqueeze(-2)  # [count, places - 1, 2, 1, 4]
    t = torch.arange(MOMENTS) / MOMENTS
    weights = torch.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    between = (around * weights.T).sum(dim=-1)  # [count, places - 1, 2, MOMENTS]
    return torch.cat([between.transpose(2, 3).flatten(1, 2), places[:, -1:]], dim=1)
