"""What the pair in training looks like and is worth, always from the same latents, so that figures compare."""

import torch
from torch import Tensor

from evaluation.quality import generator_quality
from evaluation.reference import Reference
from training.config import TrainingConfig
from training.networks import Generator
from training.pixels import to_uint8

SEED = 20_250_311
CHUNK = 1000  # images at a time


class FixedLatents:
    """Latents and classes that do not change over a run: the classes 0 to 9 in turn, with latents of their own each.

    Args:
        config: Gives the latent size and the classes.
        count: How many.
        device: Where the generator is.
    """

    def __init__(self, config: TrainingConfig, count: int, device: torch.device) -> None:
        # Drawn on the CPU: the same on every device.
        rng = torch.Generator().manual_seed(SEED)
        self.latents = torch.randn(count, config.latent_size, generator=rng).to(device)
        self.digits = torch.arange(count, device=device) % config.classes if config.classes else None

    @torch.no_grad()
    def images(self, generator: Generator) -> Tensor:
        """What a generator makes of them in inference mode: float32[count, 784] in its scale."""
        training = generator.training
        generator.eval()
        images = [
            generator(self.latents[part], self.digits[part] if self.digits is not None else None)
            for part in (slice(start, start + CHUNK) for start in range(0, len(self.latents), CHUNK))
        ]
        generator.train(training)
        return torch.cat(images)


def generated_digits(generator: Generator, config: TrainingConfig, count: int) -> tuple[Tensor, Tensor | None]:
    """uint8[count, 28, 28] from the fixed latents, and the classes asked for, int64[count] or None; on the CPU."""
    fixed = FixedLatents(config, count, next(generator.parameters()).device)
    images = to_uint8(fixed.images(generator), config.pixel_mean, config.pixel_std).cpu()
    return images, fixed.digits.cpu() if fixed.digits is not None else None


def measure_snapshot(generator: Generator, config: TrainingConfig, reference: Reference) -> dict[str, float]:
    """`generator_quality` of as many images as the reference has."""
    return generator_quality(*generated_digits(generator, config, len(reference)), reference)
