"""What the pair in training looks like and is worth, always from the same latents, so that figures compare."""

import torch
from torch import Tensor, nn

from evaluation.quality import Reference, detector_auroc, generator_quality
from training.config import TrainingConfig
from training.gan import Gan
from training.pixels import normalise, to_uint8

SEED = 20_250_311
CHUNK = 1000  # images at a time
SHOWING_DIGITS = ("mnist", "qmnist", "emnist-digits", "sklearn-digits")


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
    def images(self, gan: Gan) -> Tensor:
        """What the generator to be exported makes of them: float32[count, 784] in its scale."""
        generator = gan.ema
        training = generator.training
        generator.eval()
        images = [
            generator(self.latents[part], self.digits[part] if self.digits is not None else None)
            for part in (slice(start, start + CHUNK) for start in range(0, len(self.latents), CHUNK))
        ]
        generator.train(training)
        return torch.cat(images)


def measure_generator(gan: Gan, reference: Reference) -> dict[str, float]:
    """`generator_quality` of as many images as the reference has."""
    fixed = FixedLatents(gan.config, len(reference), gan.device)
    images = to_uint8(fixed.images(gan), gan.config.pixel_mean, gan.config.pixel_std)
    # The classifier knows digits: what it takes a piece of clothing for says nothing.
    asked = fixed.digits.cpu() if fixed.digits is not None and gan.config.dataset in SHOWING_DIGITS else None
    return generator_quality(images.cpu(), asked, reference)


@torch.no_grad()
def measure_detector(gan: Gan, detector: nn.Module, real: Tensor) -> float:
    """AUROC of a detector on real images uint8[count, 28, 28] against as many generated ones."""
    config = gan.config
    fake = to_uint8(FixedLatents(config, len(real), gan.device).images(gan), config.pixel_mean, config.pixel_std)

    def score(images: Tensor) -> Tensor:
        parts = images.to(gan.device).split(CHUNK)
        return torch.cat([detector(normalise(part, config.pixel_mean, config.pixel_std)) for part in parts]).cpu()

    return detector_auroc(score(real), score(fake))
