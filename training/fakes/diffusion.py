"""A small diffusion model (Ho et al. 2020, DDPM) with a cosine schedule (Nichol and Dhariwal 2021), sampled by DDIM
with any share of fresh noise (Song et al. 2021).

Images are float32[batch, 1, 28, 28] in [-1, 1]; times float32[batch] go from 0, the image, to 1, noise.
"""

import copy
import math
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
MEAN_IMAGES = 2000  # of which the mean image is taken
FREQUENCIES = 16
TIMES = 64  # numbers that tell the time
# Where DDIM begins, with the mean image and noise as the schedule has them there: nearer to 1 there is hardly an image
# left, and what a small network gets wrong of the noise becomes many times as much of the image: all strokes are fat.
FIRST_TIME = 0.8


class _Block(nn.Module):
    """Two convolutions, told the time in between, around a shortcut."""

    def __init__(self, channels: int, next_channels: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels, next_channels, 3, padding=1)
        self.conv_2 = nn.Conv2d(next_channels, next_channels, 3, padding=1)
        self.time = nn.Linear(TIMES, next_channels)
        self.shortcut = nn.Conv2d(channels, next_channels, 1) if channels != next_channels else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)  # it begins as its shortcut: what a normalisation is for elsewhere

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        hidden = F.silu(self.conv_1(x) + self.time(time)[:, :, None, None])
        return F.silu(self.shortcut(x) + self.conv_2(hidden))


class Denoiser(nn.Module):
    """A UNet of three grids: images float32[batch, 1, 28, 28] at times float32[batch] -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide, wider = 2 * width, 4 * width
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, TIMES), nn.SiLU())
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.halve_1 = nn.Conv2d(width, wide, 3, stride=2, padding=1)
        self.down = _Block(wide, wide)
        self.halve_2 = nn.Conv2d(wide, wider, 3, stride=2, padding=1)
        self.middle_1, self.middle_2 = _Block(wider, wider), _Block(wider, wider)
        self.double_2 = nn.Conv2d(wider, wide, 1)
        self.up = _Block(wide, wide)
        self.double_1 = nn.Conv2d(wide, width, 1)
        pixels = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(pixels.weight)
        self.last = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), pixels)

    def forward(self, images: Tensor, times: Tensor) -> Tensor:
        angles = times[:, None] * torch.logspace(0, 2, FREQUENCIES, device=times.device)
        time = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        large = F.silu(self.first(images))
        half = self.down(self.halve_1(large), time)
        quarter = self.middle_2(self.middle_1(self.halve_2(half), time), time)
        half = self.up(half + F.interpolate(self.double_2(quarter), scale_factor=2.0), time)
        large = large + F.interpolate(self.double_1(half), scale_factor=2.0)
        return self.last(large)


@dataclass(frozen=True)
class DiffusionRecipe(Recipe):
    """A denoiser as somebody else trains it.

    Attributes:
        steps: Numbers of steps that it is sampled in, as many images by each.
        fresh: Shares of fresh noise in a step of DDIM, in turn: 0 is DDIM, 1 is DDPM.
        width: Channels of the largest grid.
        lr: Adam's.
        half_life: Of that average, in images.
    """

    steps: tuple[int, ...] = (12, 25)
    fresh: tuple[float, ...] = (0.0, 1.0)
    width: int = 16
    lr: float = 2e-3
    images: int = 600_000
    snapshots: tuple[float, ...] = (1.0,)
    half_life: float = 20_000

    def train(self, real: LabelledImages, tick: Callable[[int], None]) -> list[Weights]:
        """See `Recipe`."""
        return _train(self, real.images, tick)

    @torch.no_grad()
    def fakes(self, weights: Weights, real: LabelledImages, count: int, rng: torch.Generator) -> Tensor:
        """See `Recipe`: as many by each number of steps and each share of fresh noise."""
        denoiser = with_weights(Denoiser(self.width), weights)
        denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        mean = real.images[:MEAN_IMAGES].float().mean(dim=0) / 127.5 - 1
        ways = [(steps, fresh) for steps in self.steps for fresh in self.fresh]
        levels = torch.empty(count, 28, 28)
        for (steps, fresh), some in zip(ways, levels.tensor_split(len(ways)), strict=True):
            for part in some.split(BATCH_SIZE):
                part.copy_(sampled(self, denoiser, mean, len(part), steps, fresh, rng))
        return levels

    @staticmethod
    def shares(times: Tensor) -> tuple[Tensor, Tensor]:
        """How much of an image at these times is image, and how much is noise."""
        return (times * math.pi / 2).cos(), (times * math.pi / 2).sin()


def _train(recipe: DiffusionRecipe, images: Tensor, tick: Callable[[int], None]) -> list[Weights]:
    torch.manual_seed(recipe.seed)
    rng = torch.Generator().manual_seed(recipe.seed)
    denoiser = Denoiser(recipe.width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(denoiser).requires_grad_(False)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=recipe.lr, betas=(0.9, 0.99), fused=True)
    batches = Batches(len(images), BATCH_SIZE, recipe.seed)
    bfloat16 = has_bfloat16(torch.device("cpu"))
    seen, snapshots = 0, []
    while seen < recipe.images:
        real = images[batches.at(seen)][:, None].float() / 127.5 - 1
        times, noise = torch.rand(len(real), generator=rng), torch.randn(real.shape, generator=rng)
        image_share, noise_share = (share[:, None, None, None] for share in recipe.shares(times))
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found = denoiser(image_share * real + noise_share * noise, times).float()
        loss = F.mse_loss(found, noise)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * (1 + math.cos(math.pi * seen / recipe.images)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        before, seen = seen, seen + len(real)
        weight = 1 - 0.5 ** (len(real) / min(recipe.half_life, 0.1 * seen))
        torch._foreach_lerp_(list(average.parameters()), [value.detach() for value in denoiser.parameters()], weight)
        if recipe.keeps(before, seen):
            snapshots.append(weights_of(average))
        tick(seen)
    return snapshots


def sampled(
    recipe: DiffusionRecipe,
    denoiser: Denoiser,
    mean: Tensor,
    count: int,
    steps: int,
    fresh: float,
    rng: torch.Generator,
) -> Tensor:
    """Levels float32[count, 28, 28], in so many steps, of whose noise a share between 0 and 1 is drawn anew; `mean` is
    the mean of real images, float32[28, 28] in [-1, 1].
    """
    bfloat16 = has_bfloat16(torch.device("cpu"))
    times = torch.linspace(FIRST_TIME, 0, steps + 1)
    image_shares, noise_shares = recipe.shares(times)
    images = image_shares[0] * mean + noise_shares[0] * torch.randn(count, 1, 28, 28, generator=rng)
    for step in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found = denoiser(images, times[step].expand(len(images))).float()
        clean = ((images - noise_shares[step] * found) / image_shares[step]).clamp(-1, 1)
        noise = (images - image_shares[step] * clean) / noise_shares[step]
        # DDIM (Song et al. 2021, equation 16): of the noise that stays, a part is drawn anew.
        before, after = noise_shares[step], noise_shares[step + 1]
        drawn = fresh * after / before * (1 - (image_shares[step] / image_shares[step + 1]).square()).clamp(0).sqrt()
        kept = (after.square() - drawn.square()).clamp(0).sqrt()
        images = image_shares[step + 1] * clean + kept * noise
        images = images + drawn * torch.randn(images.shape, generator=rng)
    return 127.5 * (images[:, 0] + 1)
