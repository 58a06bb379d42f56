"""What all models of other makers have in common: how they are trained once, and how their fakes are made."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from training.data import LabelledImages

Network = TypeVar("Network", bound=nn.Module)
Weights = dict[str, Tensor]  # a `state_dict`


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """A model as somebody else trains it.

    Attributes:
        images: Real images that it sees.
        snapshots: Shares of these at which its weights are kept: early, when many a stranger stops, and at the end.
        seed: Of its weights, its noise and its data order.
    """

    images: int = 150_000
    snapshots: tuple[float, ...] = (0.2, 1.0)
    seed: int = 0

    @abstractmethod
    def train(self, real: LabelledImages, tick: Callable[[int], None]) -> list[Weights]:
        """Train one on real digits; `tick` is called after every step with the images seen.

        Returns:
            The weights of what makes images at each of the `snapshots`.
        """

    @abstractmethod
    def fakes(self, weights: Weights, real: LabelledImages, count: int, rng: torch.Generator) -> Tensor:
        """Levels float32[count, 28, 28], about 0 to 255.

        Args:
            weights: One of those that `train` gives.
            real: Digits for a model that alters them.
            count: How many.
            rng: For all that is random.
        """

    def keeps(self, before: int, seen: int) -> bool:
        """Whether the step that went from so many images to so many is one whose weights are kept."""
        return any(before < round(share * self.images) <= seen for share in self.snapshots)


def weights_of(network: nn.Module) -> Weights:
    """A copy of a network's weights, in torch's own order of dimensions, without BatchNorm's counts of batches."""
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }


def with_weights(network: Network, weights: Weights) -> Network:
    """The network, with what `weights_of` gave.

    Raises:
        RuntimeError: They are those of another network.
    """
    network.load_state_dict({**network.state_dict(), **weights})
    return network
