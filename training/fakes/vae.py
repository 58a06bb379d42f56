"""Fakes of a small variational autoencoder (Kingma and Welling 2014): digits sampled from it, and real ones that went
through it, which keep their shape and lose their detail.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evaluation.rounding import rounded
from training.batches import Batches

PIXELS = 784
LATENT_SIZE = 24
HIDDEN = 400
BATCH_SIZE = 256
LEARNING_RATE = 2e-3


class Vae(nn.Module):
    """Pixels in [0, 1], float32[batch, 784], to latents and back, with one hidden layer each way."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * LATENT_SIZE))
        self.decoder = nn.Sequential(nn.Linear(LATENT_SIZE, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, PIXELS))

    def loss(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """The negative evidence lower bound per image; `noise` is float32[batch, LATENT_SIZE], standard normal."""
        mean, log_variance = self.encoder(pixels).chunk(2, dim=1)
        logits = self.decoder(mean + (log_variance / 2).exp() * noise)
        reconstruction = F.binary_cross_entropy_with_logits(logits, pixels, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        return (reconstruction + divergence) / len(pixels)


class VaeFakes:
    """Three quarters samples, the rest reconstructions of real digits uint8[count, 28, 28]."""

    def __init__(self, vae: Vae, real: Tensor) -> None:
        self.vae = vae.eval()
        self.real = real

    @torch.no_grad()
    def images(self, count: int, rng: torch.Generator) -> Tensor:
        """See `Kind`."""
        latents = torch.randn(count, LATENT_SIZE, generator=rng)
        some = count // 4
        real = self.real[torch.randint(len(self.real), (some,), generator=rng)].flatten(1) / 255
        latents[:some] = self.vae.encoder(real)[:, :LATENT_SIZE]
        return rounded(255 * self.vae.decoder(latents).sigmoid()).view(count, 28, 28)


def fit_vae(images: Tensor, length: int, seed: int, tick: Callable[[], None]) -> VaeFakes:
    """Train one on real digits uint8[count, 28, 28], of which it sees `length`; `tick` is called after every step."""
    torch.manual_seed(seed)
    vae = Vae()
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(vae.parameters(), lr=LEARNING_RATE, fused=True)
    batches = Batches(len(images), BATCH_SIZE, seed)
    seen = 0
    while seen < length:
        batch = batches.at(seen)
        loss = vae.loss(images[batch].flatten(1) / 255, torch.randn(len(batch), LATENT_SIZE, generator=rng))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(batch)
        tick()
    return VaeFakes(vae, images)
