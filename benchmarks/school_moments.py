"""What the school shows of a moment of a run: always the same latents, always the same real digits.

A moment lies after a step. It holds what the generator makes then, what the discriminator says of that and of real
digits that it was not trained on, and the push: how each pixel of an image would have to change for the discriminator
to take it for more real. The push is all that a generator ever learns of real digits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.config import TrainingConfig
from training.data import LabelledImages
from training.gan import Gan
from training.losses import discriminator_loss, generator_loss
from training.measure import FixedLatents
from training.networks import Discriminator
from training.pixels import normalise, to_uint8

SHOWN, PUSHED, SCORED = 20, 10, 500  # images that are shown, of which the push is, and whose scores are counted
BINS = 20  # of a histogram of probabilities


@dataclass(frozen=True)
class Moment:
    """A run after so many steps.

    Attributes:
        images_seen: Real images shown so far.
        digits: uint8[SHOWN, 28, 28], what the generator makes of its latents.
        real, fake: Of SCORED images each, how many have a real_probability in each of BINS equal parts of 0 to 1.
        real_mean, fake_mean: The mean of these probabilities.
        d_loss, g_loss: Of the same images.
        push: float32[PUSHED, 784], minus the gradient of each image's own g_loss by its pixels.
    """

    images_seen: int
    digits: Tensor
    real: list[int]
    fake: list[int]
    real_mean: float
    fake_mean: float
    d_loss: float
    g_loss: float
    push: Tensor


class Recorder:
    """Watches a run, see `training.loop.train`.

    Args:
        config: Of the run.
        real: Digits that the run is not trained on, SCORED at least.
        steps: After which steps to look; the end of the run is added.

    Attributes:
        moments: What was seen, by the step.
    """

    def __init__(self, config: TrainingConfig, real: LabelledImages, steps: list[int]) -> None:
        self.moments: dict[int, Moment] = {}
        self._config, self._steps = config, set(steps)
        self._fixed = FixedLatents(config, SCORED, torch.device("cpu"))
        self._real = normalise(real.images[:SCORED], config.pixel_mean, config.pixel_std)
        self._labels = real.labels[:SCORED] if config.classes else None

    def __call__(self, gan: Gan, images_seen: int) -> None:
        """Keep this moment, if it is one of those asked for."""
        if gan.steps not in self._steps and images_seen < (self._config.images or 0):
            return
        fake = self._fixed.images(gan.generator)
        with torch.no_grad():
            real_logits = gan.discriminator(self._real, self._labels)
            fake_logits = gan.discriminator(fake, self._fixed.digits)
        real_probabilities, fake_probabilities = real_logits.sigmoid(), fake_logits.sigmoid()
        self.moments[gan.steps] = Moment(
            images_seen,
            digits=to_uint8(fake[:SHOWN], self._config.pixel_mean, self._config.pixel_std),
            real=histogram(real_probabilities),
            fake=histogram(fake_probabilities),
            real_mean=float(real_probabilities.mean()),
            fake_mean=float(fake_probabilities.mean()),
            d_loss=float(discriminator_loss(real_logits, fake_logits)),
            g_loss=float(generator_loss(fake_logits)),
            push=self._push(gan.discriminator, fake[:PUSHED]),
        )

    def _push(self, discriminator: Discriminator, images: Tensor) -> Tensor:
        images = images.detach().requires_grad_(True)
        digits = self._fixed.digits[: len(images)] if self._fixed.digits is not None else None
        loss = F.softplus(-discriminator(images, digits)).sum()
        return -torch.autograd.grad(loss, images)[0]


def histogram(probabilities: Tensor) -> list[int]:
    """How many of them lie in each of BINS equal parts of 0 to 1."""
    return [int(count) for count in torch.histc(probabilities, BINS, 0, 1)]
