"""How much of what is generated looks real, and how much of what is real is generated: from features' neighbours.

Improved precision and recall: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing
Generative Models". Density and coverage: Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative
Models". As their package `prdc` computes them, but in chunks: a whole matrix of distances is never in memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 5
CHUNK = 500  # rows of the matrix of distances at a time: 40 MB of float64 for 10,000 columns


@dataclass(frozen=True)
class PrecisionRecall:
    """Each is near 1 for real digits against real ones; only density can be above.

    Attributes:
        precision: Share of generated images that lie within some real image's ball, which reaches to that image's
            k-th neighbour among the real ones.
        recall: Share of real images that lie within some generated image's ball.
        density: Number of real images' balls that a generated image lies in, on average, divided by k.
        coverage: Share of real images whose ball holds a generated image.
    """

    precision: float
    recall: float
    density: float
    coverage: float


@torch.no_grad()
def precision_recall(
    features: Tensor, reference: Tensor, neighbours: int = NEIGHBOURS, chunk: int = CHUNK
) -> PrecisionRecall:
    """Of generated features against real ones, float[count, size] each.

    Args:
        features: Of generated images.
        reference: Of real images.
        neighbours: The k of all four.
        chunk: Rows at a time; bounds the memory, the result is the same.

    Raises:
        ValueError: A set has no more than k members.
    """
    for name, values in (("generated", features), ("real", reference)):
        if len(values) <= neighbours:
            raise ValueError(f"{len(values)} {name} images are too few for the radius to the neighbour {neighbours}")
    fake, real = features.double(), reference.double()
    fake_radii, real_radii = (_squared_radii(values, neighbours, chunk) for values in (fake, real))

    fakes_within = torch.zeros(len(fake), dtype=torch.int64)  # for each fake, how many reals' balls it lies in
    recalled = covered = 0
    for rows, radii in zip(real.split(chunk), real_radii.split(chunk), strict=True):
        distances = _squared_distances(rows, fake)
        within_real_balls = distances < radii[:, None]
        fakes_within += within_real_balls.sum(dim=0)
        covered += int(within_real_balls.any(dim=1).sum())
        recalled += int((distances < fake_radii).any(dim=1).sum())
    return PrecisionRecall(
        precision=float((fakes_within > 0).double().mean()),
        recall=recalled / len(real),
        density=float(fakes_within.double().mean()) / neighbours,
        coverage=covered / len(real),
    )


def _squared_radii(values: Tensor, neighbours: int, chunk: int) -> Tensor:
    """Squared distance from each row to its k-th neighbour, itself not counted."""
    nearest = [
        _squared_distances(rows, values).topk(neighbours + 1, dim=1, largest=False).values[:, -1]
        for rows in values.split(chunk)
    ]
    return torch.cat(nearest)


def _squared_distances(rows: Tensor, columns: Tensor) -> Tensor:
    """float64[rows, columns]. Only their order is used, so the root is left out."""
    products = rows @ columns.T
    return products.mul_(-2).add_(rows.square().sum(dim=1)[:, None]).add_(columns.square().sum(dim=1))
