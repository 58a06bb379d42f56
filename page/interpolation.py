"""The way between two digits through their latents."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digitforge.latents import latents
from digitforge.messages import Model


@dataclass(frozen=True)
class End:
    """Where a walk begins or ends.

    Attributes:
        seed, index: Of the digit.
        digit: Its class; None: the one that it has in its stream.
    """

    seed: int
    index: int
    digit: int | None

    def class_of(self, model: Model) -> int:
        """The class that the model is asked for; 0 where it has none."""
        return self.digit if self.digit is not None else self.index % max(1, len(model.class_names))


def way(start: End, end: End, steps: int, model: Model) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    """What the generator is asked for a walk: the latents of both ends and between them, and where it knows classes,
    those: one for the first half, the other for the second.

    Returns:
        z float32[steps, latent_size] and digit int64[steps, 1].
    """
    first, last = (latents(one.seed, one.index, 1, model.latent_size)[0] for one in (start, end))
    asked: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {"z": slerp(first, last, steps)}
    if model.class_names:
        is_later = np.arange(steps) * 2 >= steps
        asked["digit"] = np.where(is_later, end.class_of(model), start.class_of(model)).astype(np.int64)[:, np.newaxis]
    return asked


def slerp(first: NDArray[np.float32], last: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Spherical interpolation (Shoemake 1985, "Animating rotation with quaternion curves"), from end to end.

    Normals of many dimensions lie near a sphere, and a straight line between two of them leads through its inside,
    where none ever are. The directions are turned into each other, and the lengths change evenly.

    Args:
        first: float32[size], not zero.
        last: The same.
        steps: How many, at least 2.

    Returns:
        float32[steps, size]; the ends are exactly as they were given.
    """
    one, other = first.astype(np.float64), last.astype(np.float64)
    lengths = np.linalg.norm(one), np.linalg.norm(other)
    angle = np.arccos(np.clip(one @ other / (lengths[0] * lengths[1]), -1, 1))
    shares = np.linspace(0, 1, steps)[:, np.newaxis]
    if np.sin(angle) < 1e-6:  # in one direction, or opposite, where every way is as long
        between = (1 - shares) * one + shares * other
    else:
        turned = np.sin((1 - shares) * angle) * one / lengths[0] + np.sin(shares * angle) * other / lengths[1]
        between = turned / np.sin(angle) * ((1 - shares) * lengths[0] + shares * lengths[1])
    found = between.astype(np.float32)
    found[0], found[-1] = first, last
    return found
