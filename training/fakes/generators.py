"""Fakes of GANs: the run's own generator, and small quick generators of other architectures."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from training.batches import Batches
from training.config import PRESETS, TrainingConfig
from training.gan import Gan
from training.networks import Generator
from training.pixels import to_uint8
from training.schedule import learning_rate_factor

# Small GANs that have little in common with the presets' generators but the loss: without convolutions, with BatchNorm.
QUICK = {
    "fully connected": {"generator_channels": 0, "generator_hidden": (256, 512, 1024), "generator_lr": 1e-3},
    "batch norm": {
        "generator_hidden": (128,),
        "generator_channels": 16,
        "generator_batch_norm": True,
        "ema_half_life": 0,
        "latent_size": 32,
    },
}


class Generated:
    """What a generator makes of random latents and classes, in inference mode."""

    def __init__(self, generator: Generator, config: TrainingConfig) -> None:
        self.generator = generator.eval()
        self.config = config

    @torch.no_grad()
    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        config, device = self.config, next(self.generator.parameters()).device
        latents = torch.randn(count, config.latent_size, generator=rng).to(device)
        digits = torch.randint(max(config.classes, 1), (count,), generator=rng).to(device)
        images = self.generator(latents, digits if config.classes else None)
        return to_uint8(images, config.pixel_mean, config.pixel_std).cpu()


def quick_generators(
    name: str, images: Tensor, digits: Tensor, length: int, seed: int, device: torch.device, tick: Callable[[], None]
) -> list[Generated]:
    """Train a small GAN, without milestones and measurements.

    Args:
        name: One of `QUICK`.
        images: The training set, uint8[count, 28, 28].
        digits: Its classes, int64[count].
        length: Real images that it sees.
        seed: Of its weights, latents and data order.
        device: Where to train.
        tick: Called after every step.

    Returns:
        Its generator half-way and at the end.
    """
    options = {"images": length, "seed": seed, "generator_pace": 0, "discriminator_pace": 0, **QUICK[name]}
    config = PRESETS["default"].with_options(options)
    gan = Gan(config, device)
    images, digits = images.to(device), digits.to(device)
    rng = torch.Generator(device).manual_seed(seed)
    batches = Batches(len(images), config.batch_size, seed)
    seen, snapshots = 0, []
    while seen < length:
        batch = batches.at(seen)
        progress = seen / length
        gan.set_learning_rates(
            learning_rate_factor(config.generator_lr_end, progress),
            learning_rate_factor(config.discriminator_lr_end, progress),
        )
        latents = torch.randn(len(batch), config.latent_size, device=device, generator=rng)
        gan.step(images[batch], digits[batch], latents, None)
        before, seen = seen, seen + len(batch)
        gan.update_ema(len(batch), seen)
        if before < length / 2 <= seen or seen >= length:
            snapshots.append(Generated(copy.deepcopy(gan.ema), config))
        tick()
    return snapshots
