"""Trains a small GAN of a tutorial's form on real digits, by one of the losses that tutorials have."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from training.batches import Batches
from training.data import LabelledImages
from training.fakes.gan_networks import LARGE_SIDE, SIDE, TutorialGenerator, opponent
from training.fakes.recipe import Recipe, Weights, weights_of, with_weights
from training.gan import has_bfloat16
from training.losses import discriminator_loss, generator_loss

BATCH_SIZE = 64
CLASSES = 10
GRADIENT_PENALTY = 10.0


@dataclass(frozen=True)
class GanRecipe(Recipe):
    """A GAN as somebody else trains it.

    Attributes:
        form: One of `gan_networks.GENERATORS`.
        loss: "cross-entropy", "least squares" or "wasserstein" (with a gradient penalty).
        norm: Of the opponent, see `opponent`.
        classes: "none", or "told" to both networks (CGAN).
        last: The generator's last function, "tanh" or "sigmoid".
        latent, width: Of the generator.
        opponent_width: Of the opponent's convolutions.
        lr, beta1: Adam's, of both networks.
        opponent_lr: The opponent's own, where it has one.
        batch_statistics: Sampled with the statistics of a batch, as a generator is that nobody put into inference mode.
    """

    form: str
    loss: str = "cross-entropy"
    norm: str = "batch"
    classes: str = "none"
    last: str = "tanh"
    latent: int = 32
    width: int = 32
    opponent_width: int = 16
    lr: float = 5e-4
    beta1: float = 0.5
    opponent_lr: float | None = None
    batch_statistics: bool = False

    @property
    def side(self) -> int:
        """Of the images that the networks see."""
        return LARGE_SIDE if self.form == "transposed large" else SIDE

    def generator(self) -> TutorialGenerator:
        """A fresh one, from torch's global generator of random numbers."""
        told = CLASSES if self.classes != "none" else 0
        return TutorialGenerator(self.form, self.latent + told, self.width, self.last)

    def train(self, real: LabelledImages, tick: Callable[[int], None]) -> list[Weights]:
        """See `Recipe`."""
        return _train(self, real.images, real.labels, tick)

    @torch.no_grad()
    def fakes(self, weights: Weights, real: LabelledImages, count: int, rng: torch.Generator) -> Tensor:  # noqa: ARG002
        """See `Recipe`."""
        generator = with_weights(self.generator(), weights)
        generator.train(self.batch_statistics)
        levels = torch.empty(count, SIDE, SIDE)
        for part in levels.split(BATCH_SIZE):
            # A whole batch, whatever is wanted of it: of few images the statistics would be others.
            latents = torch.randn(BATCH_SIZE, self.latent, generator=rng)
            pixels = generator(self.with_classes(latents, torch.randint(CLASSES, (BATCH_SIZE,), generator=rng)))
            if self.side != SIDE:
                pixels = F.interpolate(pixels, SIDE, mode="bilinear", antialias=True)
            pixels = (pixels + 1) / 2 if self.last == "tanh" else pixels
            part.copy_(255 * pixels[: len(part), 0])
        return levels

    def with_classes(self, latents: Tensor, digits: Tensor) -> Tensor:
        """The classes one-hot behind the latents, where the generator is told them."""
        if self.classes == "none":
            return latents
        return torch.cat([latents, F.one_hot(digits, CLASSES).float()], dim=1)


def _train(recipe: GanRecipe, images: Tensor, digits: Tensor, tick: Callable[[int], None]) -> list[Weights]:
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    generator = recipe.generator().train()
    told = CLASSES if recipe.classes == "told" else 0
    rival = opponent(1 + told, recipe.side, recipe.norm, recipe.opponent_width).train()
    for network in (generator, rival):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on a CPU
    bfloat16 = has_bfloat16(torch.device("cpu"))
    betas = (recipe.beta1, 0.999)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=recipe.lr, betas=betas, fused=True)
    rival_optimizer = torch.optim.Adam(rival.parameters(), lr=recipe.opponent_lr or recipe.lr, betas=betas, fused=True)
    batches = Batches(len(images), BATCH_SIZE, recipe.seed)

    def judged(pixels: Tensor, classes: Tensor) -> Tensor:
        """Logits float32[batch] for real."""
        if told:
            planes = F.one_hot(classes, CLASSES).float()[:, :, None, None].expand(-1, -1, *pixels.shape[2:])
            pixels = torch.cat([pixels, planes], dim=1)
        return rival(pixels).float()[:, 0]

    seen, snapshots = 0, []
    while seen < recipe.images:
        batch = batches.at(seen)
        real, classes = scaled(images[batch], recipe), digits[batch]
        inputs = recipe.with_classes(torch.randn(len(batch), recipe.latent, generator=rng), classes)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            fake = generator(inputs).float()
            real_logits, fake_logits = judged(real, classes), judged(fake.detach(), classes)
        loss = _rivals_loss(recipe.loss, real_logits, fake_logits)
        if recipe.loss == "wasserstein":
            between = real + torch.rand(len(real), 1, 1, 1, generator=rng) * (fake.detach() - real)
            loss = loss + GRADIENT_PENALTY * _slope_penalty(partial(judged, classes=classes), between)
        rival_optimizer.zero_grad()
        loss.backward()
        rival_optimizer.step()

        rival.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = _generators_loss(recipe.loss, judged(fake, classes))
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
        rival.requires_grad_(True)

        before, seen = seen, seen + len(batch)
        if recipe.keeps(before, seen):
            snapshots.append(weights_of(generator))
        tick(seen)
    return snapshots


def scaled(images: Tensor, recipe: GanRecipe) -> Tensor:
    """uint8[batch, 28, 28] -> float32[batch, 1, side, side] in the range of the generator's last function."""
    pixels = images[:, None].float() / 255
    if recipe.side != SIDE:
        pixels = F.interpolate(pixels, recipe.side, mode="bilinear", antialias=True)
    return pixels * 2 - 1 if recipe.last == "tanh" else pixels


def _rivals_loss(loss: str, real: Tensor, fake: Tensor) -> Tensor:
    if loss == "least squares":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    if loss == "wasserstein":
        return fake.mean() - real.mean()
    return discriminator_loss(real, fake)


def _generators_loss(loss: str, fake: Tensor) -> Tensor:
    if loss == "least squares":
        return (fake - 1).square().mean() / 2
    if loss == "wasserstein":
        return -fake.mean()
    return generator_loss(fake)


def _slope_penalty(judge: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """Of images between real and fake ones, where the slope is held to 1 (Gulrajani et al. 2017)."""
    pixels = pixels.requires_grad_(True)
    (slope,) = torch.autograd.grad(judge(pixels).sum(), pixels, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
