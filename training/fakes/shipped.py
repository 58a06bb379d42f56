"""Fakes of the models of other makers that `make fakes` has trained and that are shipped beside this file.

They are fakes of MNIST's digits, trained on the images that generators are fitted to.
"""

from pathlib import Path

import torch
from torch import Tensor

from training.data import LabelledImages
from training.fakes.kind import Pooled, to_pixels
from training.fakes.recipes import RECIPES, SLOW
from training.fakes.small_weights import load_small

WEIGHTS = Path(__file__).parent / "weights"
# The data sets whose images have MNIST's form and ink, of whose digits these are fakes. Beside others, such as clothes
# or the small and blurred digits, they would teach that MNIST's look is what gives a fake away.
LIKE_MNIST = ("mnist", "qmnist", "emnist-digits")
MOST_SATURATION = 4.0  # times the logits of ink, of models that were trained on and on
FAMILIES = tuple(dict.fromkeys(family for family, _ in RECIPES.values()))


def family_fakes(family: str, real: LabelledImages, count: int, rng: torch.Generator) -> Pooled:
    """What the models of a family make, as many of each and of each of its snapshots.

    Args:
        family: One of `FAMILIES`.
        real: Digits for the models that alter them.
        count: Size of the pool; a family of `SLOW` makes a quarter of it.
        rng: For all that is random.
    """
    models = [name for name, (theirs, _) in RECIPES.items() if theirs == family]
    if family in SLOW:
        count = -(-count // 4)
    parts = []
    for number, name in enumerate(models):
        snapshots, _ = load_small(WEIGHTS / f"{name}.safetensors")
        some = len(range(number, count, len(models)))
        for turn, weights in enumerate(snapshots):
            share = len(range(turn, some, len(snapshots)))
            levels = RECIPES[name][1].fakes(weights, real, share, rng)
            parts.append(to_pixels(saturated(levels, rng), rng))
    return Pooled(torch.cat(parts))


def saturated(levels: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the images with the ink of a model that was trained longer.

    The logits before the sigmoid or tanh at a model's end grow for as long as it is trained, and its ink comes nearer
    to full. How near differs between strangers more than the shapes do, and must not be what a fake is known by.

    Args:
        levels: float32[count, 28, 28], about 0 to 255.
        rng: Draws which, and how much longer.
    """
    factor = MOST_SATURATION ** torch.rand(len(levels), 1, 1, generator=rng)
    chosen = torch.rand(len(levels), 1, 1, generator=rng) < 0.5
    ink = 255 * torch.sigmoid(factor * torch.logit((levels / 255).clamp(0.5, 1 - 1e-6)))
    return torch.where(chosen & (levels > 127.5), ink, levels)
