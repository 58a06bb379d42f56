"""Autoencoders of the forms that tutorials have: variational ones (Kingma and Welling 2014), a plain one, and one of
rounded codes (Mentzer et al. 2024, FSQ; van den Oord et al. 2017, VQ-VAE, is its elder).

Their fakes are samples; real digits that went through them, which keep their shape and get a decoder's last layers as
every generator has them; and two digits of a class blended in the space of the latents.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.batches import Batches
from training.data import LabelledImages
from training.fakes.recipe import Recipe, Weights, weights_of, with_weights
from training.gan import has_bfloat16

BATCH_SIZE = 128
PIXELS = 784
GRID = 7
CODE_LEVELS = 2.5  # codes are rounded between -2 and 2: five levels a channel


class _Rounded(nn.Module):
    """Codes in (-2.5, 2.5), rounded; the gradient passes as if they were not."""

    def forward(self, x: Tensor) -> Tensor:
        bounded = CODE_LEVELS * x.tanh() * 0.99
        return bounded + (bounded.round() - bounded).detach()


class Autoencoder(nn.Module):
    """Pixels float32[batch, 784] in [0, 1] to latents and back.

    Args:
        form: "mlp": one hidden layer each way; "convolutional": strided convolutions and their transposes, kernel 3,
            around a dense layer each; "upsampling": the same with upsampling and convolutions; "codes": a 7 by 7 grid
            of rounded codes, kernel 4.
        latent: Numbers in a latent vector, or in each place of the grid.
        width: Of the hidden layer, or channels of the first convolution.
        variational: Its encoder gives a mean and a log variance.
    """

    def __init__(self, form: str, latent: int, width: int, variational: bool) -> None:
        super().__init__()
        self.size = latent * GRID**2 if form == "codes" else latent
        self.variational = variational
        out = 2 * latent if variational else latent
        image, grid = nn.Unflatten(1, (1, 28, 28)), (2 * width, GRID, GRID)
        self.codes: nn.Module = nn.Identity()
        if form == "mlp":
            self.encoder = nn.Sequential(nn.Linear(PIXELS, width), nn.ReLU(), nn.Linear(width, out))
            self.decoder = nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, PIXELS))
            return
        if form == "codes":
            self.codes = _Rounded()
            self.encoder = nn.Sequential(
                image,
                *_halvings(width, kernel=4),
                nn.Conv2d(2 * width, latent, 3, padding=1),
                nn.Flatten(),
            )
            self.decoder = nn.Sequential(
                nn.Unflatten(1, (latent, GRID, GRID)),
                nn.Conv2d(latent, 2 * width, 3, padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
                nn.Flatten(),
            )
            return
        self.encoder = nn.Sequential(
            image,
            *_halvings(width, kernel=3),
            nn.Flatten(),
            nn.Linear(2 * width * GRID**2, out),
        )
        dense = [nn.Linear(latent, 2 * width * GRID**2), nn.ReLU(), nn.Unflatten(1, grid)]
        if form == "convolutional":
            back: list[nn.Module] = [
                nn.ConvTranspose2d(2 * width, 2 * width, 3, stride=2, padding=1, output_padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(2 * width, width, 3, stride=2, padding=1, output_padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(width, 1, 3, padding=1),
            ]
        else:
            back = [
                nn.Conv2d(2 * width, 2 * width, 3, padding=1),
                nn.ReLU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(2 * width, width, 3, padding=1),
                nn.ReLU(),
                nn.Upsample(scale_factor=2),
                nn.Conv2d(width, 1, 3, padding=1),
            ]
        self.decoder = nn.Sequential(*dense, *back, nn.Flatten())

    def latents(self, pixels: Tensor) -> Tensor:
        """float32[batch, 784] -> float32[batch, size]: the means, where it is variational."""
        found = self.encoder(pixels)
        return found.chunk(2, dim=1)[0] if self.variational else found

    def pixels(self, latents: Tensor) -> Tensor:
        """float32[batch, size] -> float32[batch, 784] in [0, 1]."""
        return self.decoder(self.codes(latents)).sigmoid()

    def loss(self, pixels: Tensor, noise: Tensor) -> Tensor:
        """Cross-entropy of the reconstruction per image; if variational, the negative evidence lower bound.

        `noise` is float32[batch, size], standard normal.
        """
        if not self.variational:
            logits = self.decoder(self.codes(self.encoder(pixels)))
            return F.binary_cross_entropy_with_logits(logits.float(), pixels, reduction="sum") / len(pixels)
        mean, log_variance = self.encoder(pixels).float().chunk(2, dim=1)
        logits = self.decoder(mean + (log_variance / 2).exp() * noise)
        reconstruction = F.binary_cross_entropy_with_logits(logits.float(), pixels, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        return (reconstruction + divergence) / len(pixels)


def _halvings(width: int, kernel: int) -> list[nn.Module]:
    """Two convolutions, each to half of the image's side: from 1 channel to `width`, and to twice as many."""
    return [
        nn.Conv2d(1, width, kernel, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, kernel, stride=2, padding=1),
        nn.ReLU(),
    ]


@dataclass(frozen=True)
class AutoencoderRecipe(Recipe):
    """An autoencoder as somebody else trains it.

    Attributes:
        form, latent, width, variational: See `Autoencoder`.
        samples, reconstructions, blends: Shares of its fakes: from random latents, of one real digit, between two of a
            class.
        lr: Adam's.
    """

    form: str
    latent: int
    width: int = 16
    variational: bool = False
    samples: float = 0.0
    reconstructions: float = 0.5
    blends: float = 0.5
    lr: float = 1e-3

    def network(self) -> Autoencoder:
        """A fresh one, from torch's global generator of random numbers."""
        return Autoencoder(self.form, self.latent, self.width, self.variational)

    def train(self, real: LabelledImages, tick: Callable[[int], None]) -> list[Weights]:
        """See `Recipe`."""
        return _train(self, real.images, tick)

    @torch.no_grad()
    def fakes(self, weights: Weights, real: LabelledImages, count: int, rng: torch.Generator) -> Tensor:
        """See `Recipe`: by the shares of samples, reconstructions and blends, in another order."""
        network = with_weights(self.network(), weights)
        reconstructed, blended = int(self.reconstructions * count), int(self.blends * count)
        one = torch.randint(len(real), (reconstructed + blended,), generator=rng)
        other = _another_of_its_class(one[reconstructed:], real.labels, rng)
        share = torch.cat([torch.ones(reconstructed, 1), 0.25 + 0.5 * torch.rand(blended, 1, generator=rng)])
        ends = [
            network.latents(real.images[some].flatten(1) / 255)
            for some in (torch.cat([one[:reconstructed], other]), one)
        ]
        samples = torch.randn(count - len(one), network.size, generator=rng)
        return 255 * network.pixels(torch.cat([torch.lerp(ends[0], ends[1], share), samples])).view(count, 28, 28)


def _train(recipe: AutoencoderRecipe, images: Tensor, tick: Callable[[int], None]) -> list[Weights]:
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    network = recipe.network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.lr, fused=True)
    batches = Batches(len(images), BATCH_SIZE, recipe.seed)
    bfloat16 = has_bfloat16(torch.device("cpu"))
    seen, snapshots = 0, []
    while seen < recipe.images:
        real = images[batches.at(seen)].flatten(1) / 255
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = network.loss(real, torch.randn(len(real), network.size, generator=rng))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        before, seen = seen, seen + len(real)
        if recipe.keeps(before, seen):
            snapshots.append(weights_of(network))
        tick(seen)
    return snapshots


def _another_of_its_class(chosen: Tensor, digits: Tensor, rng: torch.Generator) -> Tensor:
    """For each of these indices int64[count] that of some image of the same class."""
    order = digits.argsort(stable=True)
    ends = digits.bincount().cumsum(dim=0)
    numbers = digits.bincount()[digits[chosen]]
    places = ends[digits[chosen]] - numbers + (torch.rand(len(chosen), generator=rng) * numbers).long()
    return order[places]
