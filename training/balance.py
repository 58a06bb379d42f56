"""What the balance of the two networks looks like, in the words of those who have seen a GAN fail."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

BALANCED = "balanced"
DISCRIMINATOR_TOO_STRONG = "discriminator_too_strong"
GENERATOR_TOO_STRONG = "generator_too_strong"
MODE_COLLAPSE = "mode_collapse"
WORDS = {
    BALANCED: "the two networks are in balance",
    DISCRIMINATOR_TOO_STRONG: (
        "the discriminator is too strong: it tells nearly every image, and the generator has nothing to learn from"
    ),
    GENERATOR_TOO_STRONG: "the generator is too strong: the discriminator cannot tell, and has nothing to teach",
    MODE_COLLAPSE: "mode collapse: the generator makes much the same image of different latents",
}

REAL_IMAGES = 1_000  # that tell how different images of one kind are
SMOOTHING = 0.8  # share of the earlier readings
FIRST_READINGS = 5  # nothing is said before: both networks are still finding their feet
STRONG_ACCURACY = 0.95  # of the discriminator, mean of both kinds; 0.6 to 0.75 in a healthy run
WEAK_ACCURACY = 0.52
COLLAPSED_DIVERSITY = 0.5  # in multiples of the real images'
MARGIN = 0.02  # an imbalance is over once the reading is back by this much: no flicker at the limit


class Balance:
    """Watches the readings of a run.

    Attributes:
        state: What was seen last: `balanced` or one of the imbalances.
    """

    def __init__(self) -> None:
        self.state = BALANCED
        self._readings = 0
        self._smoothed: dict[str, float] = {}

    def look(self, reading: Mapping[str, float]) -> str | None:
        """Take in d_real_accuracy, d_fake_accuracy and diversity; returns the new state where it changed."""
        for name in ("d_real_accuracy", "d_fake_accuracy", "diversity"):
            earlier = self._smoothed.get(name, reading[name])
            self._smoothed[name] = SMOOTHING * earlier + (1 - SMOOTHING) * reading[name]
        self._readings += 1
        state = self._judge() if self._readings >= FIRST_READINGS else BALANCED
        if state == self.state:
            return None
        self.state = state
        return state

    def _judge(self) -> str:
        def margin(state: str) -> float:
            return MARGIN if self.state == state else 0.0

        accuracy = (self._smoothed["d_real_accuracy"] + self._smoothed["d_fake_accuracy"]) / 2
        if self._smoothed["diversity"] < COLLAPSED_DIVERSITY + margin(MODE_COLLAPSE):
            return MODE_COLLAPSE
        if accuracy > STRONG_ACCURACY - margin(DISCRIMINATOR_TOO_STRONG):
            return DISCRIMINATOR_TOO_STRONG
        if accuracy < WEAK_ACCURACY + margin(GENERATOR_TOO_STRONG):
            return GENERATOR_TOO_STRONG
        return BALANCED

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later look depends on."""
        return {"state": self.state, "readings": self._readings, "smoothed": dict(self._smoothed)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to the state that `state_dict` gave."""
        self.state, self._readings, self._smoothed = state["state"], state["readings"], dict(state["smoothed"])


def diversity(images: Tensor, classes: int) -> float:
    """How different images of one kind are: the standard deviation of a pixel, root mean square over all.

    Args:
        images: float[count, 784]; with classes, image i is of class i mod `classes`, and a rest of the last round is
            passed over.
        classes: Number of classes, or 0 where all images are of one kind.
    """
    kinds = images[: len(images) - len(images) % (classes or 1)].unflatten(0, (-1, classes or 1))
    return float(kinds.var(dim=0).mean().sqrt())


def diversity_of_real(images: Tensor, digits: Tensor, classes: int) -> float:
    """The same of real images float[count, 784] of the classes int64[count], or of one kind where `classes` is 0."""
    if not classes:
        return diversity(images[:REAL_IMAGES], 0)
    kinds = [images[digits == digit][: REAL_IMAGES // classes] for digit in range(classes)]
    fewest = min(map(len, kinds))
    return diversity(torch.stack([kind[:fewest] for kind in kinds], dim=1).flatten(0, 1), classes)
