"""Images that have been on a journey: sent as a picture file of any kind, and brought back to MNIST's form.

A journey takes milliseconds, a step of training a few dozen images a millisecond. So a pool is made once a run, and the
steps draw from it.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluation.journeys import JOURNEYS, travel
from evaluation.not_digits import page
from training.data import LabelledImages
from training.fakes.kind import Kind, drawn_kinds
from training.fakes.no_digits import NoDigits
from training.processes import spread
from training.progress import progress

# How often each journey is made. A fake is a file from the start: written with a pen and photographed it shows nothing
# of its generator; beside such ones the detector would doubt every photo, and a photo's score would hang on a trifle.
SHARES = {"sent": 0.1, "enlarged": 0.3, "bordered": 0.1, "shown": 0.15, "written": 0.15, "tutorial": 0.2}
SHARES_OF_FAKES = {"sent": 0.15, "enlarged": 0.45, "bordered": 0.15, "shown": 0.25}
EDGE_LEVEL, INK_LEVEL = 40, 110  # a lighter edge, or a lighter image, on average, is paper that was taken for ink
REAL, NO_DIGITS = "", "no digits"  # beside the names of fakes
TRIES = 2  # journeys on which not one thing is found, until an image is given up


@dataclass(frozen=True)
class Pool:
    """The images, uint8[count, 28, 28] each.

    Attributes:
        real: Real ones, with their labels.
        fakes: By the name of their kind.
        no_digits: Outliers. Half of them were pages of several digits, letters and signs, which normalisation has taken
            for one thing.
    """

    real: LabelledImages
    fakes: Mapping[str, Tensor]
    no_digits: Tensor

    def state_dict(self) -> dict[str, Any]:
        """What can be saved."""
        return {"real": vars(self.real), "fakes": dict(self.fakes), "no_digits": self.no_digits}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> "Pool":
        """From what `state_dict` gave."""
        return cls(LabelledImages(**state["real"]), state["fakes"], state["no_digits"])


def make_pool(
    real: LabelledImages,
    fakes: Mapping[str, Kind],
    shares: Mapping[str, float],
    no_digits: NoDigits,
    count: int,
    seed: int,
    tick: Callable[[], None],
    processes: int = 1,
) -> Pool:
    """Send images of both classes on the same journeys, but for those of pen and camera, which no fake makes.

    Args:
        real: The training set.
        fakes: By name.
        shares: How much of each of them.
        no_digits: Outliers, half as many as there are of each class; none of fewer than 16.
        count: Real images, and as many fakes.
        seed: Image i's journey depends on it and on i alone.
        tick: Called after every journey.
        processes: How many of them do it.
    """
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(real), generator=rng)[:count]
    few = count // 16
    outliers: list[Tensor] = []
    if few:
        pages = (page(no_digits.parts(8 * few, rng), few, columns, rng) for columns in range(2, 6))
        outliers = [*(one for several in pages for one in several), *no_digits.images(4 * few, rng)]
    parts: dict[str, Any] = {
        REAL: real.images[chosen],
        NO_DIGITS: outliers,
        **dict(drawn_kinds(fakes, shares, count, rng)),
    }
    shares_of = {name: SHARES if name in (REAL, NO_DIGITS) else SHARES_OF_FAKES for name in parts}
    journeys = [
        (shares_of[name], (number, index), image)
        for number, (name, images) in enumerate(parts.items())
        for index, image in enumerate(images)
    ]

    def send(journey: int) -> np.ndarray | None:
        how_often, place, image = journeys[journey]
        return _sent(image.numpy(), how_often, np.random.default_rng([seed, *place]))

    found = {name: list[np.ndarray | None]() for name in parts}
    names = [name for name, images in parts.items() for _ in images]
    sent = closing(spread(send, len(journeys), processes))
    with progress(len(journeys), "pool", "img") as bar, sent as images_sent:
        for name, image in zip(names, images_sent, strict=True):
            found[name].append(image)
            bar.update()
            tick()

    empty = torch.empty(0, 28, 28, dtype=torch.uint8)

    def stacked(images: list[np.ndarray | None]) -> Tensor:
        there = [torch.from_numpy(image.copy()) for image in images if image is not None]
        return torch.stack(there) if there else empty

    which = torch.tensor([image is not None for image in found[REAL]], dtype=torch.bool)
    images = {name: stacked(each) for name, each in found.items()}
    return Pool(LabelledImages(images.pop(REAL), real.labels[chosen][which]), images, images.pop(NO_DIGITS))


def _sent(image: np.ndarray, shares: Mapping[str, float], chance: np.random.Generator) -> np.ndarray | None:
    """An image after one of the journeys; None if it was not found as one thing."""
    for _ in range(TRIES):
        name = chance.choice(list(shares), p=list(shares.values()))
        answer = travel(image, JOURNEYS[str(name)], chance)
        edge = np.concatenate([answer[0], answer[-1], answer[:, 0], answer[:, -1]])
        if answer.any() and edge.mean() <= EDGE_LEVEL and answer.mean() <= INK_LEVEL:
            return answer
    return None
