"""Fakes of the run's own generator, and of its earlier snapshots."""

import torch
from torch import Tensor

from training.config import TrainingConfig
from training.networks import Generator
from training.pixels import to_uint8


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
