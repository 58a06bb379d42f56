"""What all kinds of fakes have in common, mixtures of them, and how levels become pixels."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from evaluation.rounding import rounded


class Kind(Protocol):
    """A kind of fakes."""

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """uint8[count, 28, 28], on the CPU; the same for the same state of `rng`."""


def mixed(kinds: Mapping[str, Kind], shares: Mapping[str, float], count: int, rng: torch.Generator) -> Tensor:
    """uint8[count, 28, 28] of several kinds in one batch, kind after kind; the arguments are those of `drawn_kinds`."""
    return torch.cat(
        [torch.empty(0, 28, 28, dtype=torch.uint8), *(images for _, images in drawn_kinds(kinds, shares, count, rng))]
    )


def drawn_kinds(
    kinds: Mapping[str, Kind], shares: Mapping[str, float], count: int, rng: torch.Generator
) -> list[tuple[str, Tensor]]:
    """Images of several kinds by their names, of each as many as is drawn at random.

    Args:
        kinds: By name.
        shares: How much of each, in any unit; how many images of each is drawn at random.
        count: Images of all kinds together.
        rng: For all that is random.
    """
    if count == 0:
        return []
    names = list(kinds)
    weights = torch.tensor([shares[name] for name in names])
    drawn = torch.multinomial(weights, count, replacement=True, generator=rng).bincount(minlength=len(names)).tolist()
    return [(name, kinds[name].images(number, rng)) for name, number in zip(names, drawn, strict=True) if number]


class Several:
    """One kind made of several, as many images of each: a generator half-way and at its end, for one."""

    def __init__(self, members: Sequence[Kind]) -> None:
        self.members = members

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        return mixed(
            {str(number): member for number, member in enumerate(self.members)},
            {str(number): 1.0 for number in range(len(self.members))},
            count,
            rng,
        )


class Pooled:
    """Images uint8[pool, 28, 28] that were made once, drawn at random: for a kind that takes its time."""

    def __init__(self, pool: Tensor) -> None:
        self.pool = pool

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        return self.pool[torch.randint(len(self.pool), (count,), generator=rng)]


def to_pixels(levels: Tensor, rng: torch.Generator) -> Tensor:
    """Levels float32[count, 28, 28] as their makers save them, uint8: half of them rounded, half cut off below."""
    cut = torch.rand(len(levels), 1, 1, generator=rng) < 0.5
    return rounded(torch.where(cut, levels.floor(), levels))
