"""The detector stage: the discriminator is trained on, the generator frozen, to tell real digits from its fakes.

Near balance a GAN's discriminator says 0.5 by design, and a class-conditional one has never been asked without a
class. Here it sees no label, and both kinds of images pass through the same rounding to uint8, as they will when it
is served: else it would learn rounding.
"""

import copy

import torch
from torch import Tensor
from tqdm import tqdm

from training.batches import Batches
from training.gan import Gan, check_finite
from training.interrupts import StopRequest
from training.losses import discriminator_loss
from training.networks import Discriminator, Generator
from training.pixels import normalise, to_uint8
from training.schedule import learning_rate_factor

DETECTOR_SEED = 1  # added to the run's: the stage draws its own numbers, so that it can start over after a stop


def train_detector(gan: Gan, generator: Generator, images: Tensor, stop: StopRequest) -> Discriminator | None:
    """Train a copy of the discriminator on real images uint8[count, 28, 28] and fresh fakes of the generator.

    Returns:
        The detector, or None if it was asked to stop. Without `detector_images`, the discriminator as it is.
    """
    config = gan.config
    detector = copy.deepcopy(gan.discriminator)
    optimizer = torch.optim.Adam(detector.parameters(), lr=config.detector_lr, betas=(0.9, 0.99), fused=True)
    rng = torch.Generator(gan.device).manual_seed(config.seed + DETECTOR_SEED)
    batches = Batches(len(images), config.step_size, config.seed + DETECTOR_SEED)
    generator.eval()
    detector.train()

    seen = 0
    with tqdm(total=config.detector_images, desc="detector", unit="img", unit_scale=True, disable=None) as bar:
        while seen < config.detector_images:
            if stop:
                return None
            for group in optimizer.param_groups:
                group["lr"] = config.detector_lr * learning_rate_factor(0.0, seen / config.detector_images)
            real = images[batches.at(seen)]
            latents = torch.randn(len(real), config.latent_size, device=gan.device, generator=rng)
            digits = torch.randint(max(config.classes, 1), (len(real),), device=gan.device, generator=rng)
            with torch.no_grad():
                fake = generator(latents, digits if config.classes else None)
            fake = to_uint8(fake, config.pixel_mean, config.pixel_std)
            real_logits, fake_logits = (
                detector(normalise(part, config.pixel_mean, config.pixel_std)) for part in (real, fake)
            )
            optimizer.zero_grad()
            discriminator_loss(real_logits, fake_logits).backward()
            optimizer.step()
            seen += len(real)
            bar.update(len(real))
    check_finite(detector)
    return detector.eval()
