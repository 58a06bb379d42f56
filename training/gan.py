"""The pair in training: two networks, their optimizers, the generator's moving average, and one step of both."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from training.config import TrainingConfig
from training.losses import discriminator_loss, generator_loss, r1_penalty
from training.networks import build_discriminator, build_generator, not_finite
from training.pixels import normalise
from training.workers import Workers


class DivergedError(Exception):
    """A loss or a weight is no finite number any more."""


class Gan:
    """Everything that a step of training changes; random numbers and data come from outside.

    Attributes:
        generator, discriminator: The networks in training.
        ema: The generator that is shown and exported: the moving average of its weights, or itself without one.
    """

    def __init__(self, config: TrainingConfig, device: torch.device, workers: Workers | None = None) -> None:
        torch.manual_seed(config.seed)
        # On the CPU: the same weights whatever the device.
        generator, discriminator = build_generator(config), build_discriminator(config)
        self.config = config
        self.device = device
        self.workers = workers or Workers()
        self.generator = generator.to(device)
        self.discriminator = discriminator.to(device)
        self.ema = copy.deepcopy(self.generator).requires_grad_(False) if config.ema_half_life else self.generator
        # The square-root rule for Adam (Malladi et al. 2022): the noise of so many images stays what it was.
        share = config.step_size / config.lr_batch_size if config.lr_batch_size else 1.0
        betas = (config.adam_beta1**share, config.adam_beta2**share)
        self.generator_lr = config.generator_lr * share**0.5
        self.discriminator_lr = config.discriminator_lr * share**0.5
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), lr=self.generator_lr, betas=betas, fused=True
        )
        self.discriminator_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), lr=self.discriminator_lr, betas=betas, fused=True
        )
        self.steps = 0
        self.autocast = config.bfloat16 and has_bfloat16(device)

    def step(
        self, images: Tensor, digits: Tensor, latents: Tensor, fresh_latents: Tensor | None, batch_size: int = 0
    ) -> dict[str, Tensor]:
        """One update of the discriminator, then one of the generator.

        Args:
            images: uint8[rows, 28, 28], real.
            digits: int64[rows], their classes; the fakes are made of the same classes.
            latents: float32[rows, latent], for the discriminator's fakes.
            fresh_latents: The same for the generator's own, or None to use the discriminator's fakes again.
            batch_size: Rows of all workers together; 0 if there is only this one.

        Returns:
            Scalars: d_loss; g_loss; d_real and d_fake, the mean probability that D gives to the real and to the fake
            images of its own step; d_real_accuracy and d_fake_accuracy, the share of them that it gets right.
        """
        config = self.config
        rows = len(images)
        batch_size = batch_size or rows
        self.generator.train()
        self.discriminator.train()
        real = normalise(images, config.pixel_mean, config.pixel_std)
        classes = digits if config.classes else None

        # The discriminator: real against fake, and now and then the penalty on its slope.
        with self._autocast(), torch.set_grad_enabled(fresh_latents is None):
            fake = self.generator(latents, classes)
        with self._autocast():
            real_logits, fake_logits = self._discriminate(real, fake.detach(), classes)
        d_loss = discriminator_loss(real_logits, fake_logits)
        penalty = torch.zeros((), device=self.device)
        if config.r1_gamma and self.steps % config.r1_interval == 0:
            some = slice(math.ceil((config.r1_images or batch_size) * rows / batch_size))
            slope = r1_penalty(self.discriminator, real[some], classes[some] if classes is not None else None)
            penalty = config.r1_gamma * config.r1_interval * slope
        self.discriminator_optimizer.zero_grad()
        (d_loss + penalty).backward()
        self.workers.average_gradients(self.discriminator.parameters(), rows, batch_size)
        self.discriminator_optimizer.step()

        # The generator, through a discriminator whose own gradients nobody reads.
        self.discriminator.requires_grad_(False)
        with self._autocast():
            if fresh_latents is not None:
                fake = self.generator(fresh_latents, classes)
            g_loss = generator_loss(self.discriminator(fake, classes).float())
        self.generator_optimizer.zero_grad()
        g_loss.backward()
        self.workers.average_gradients(self.generator.parameters(), rows, batch_size)
        self.generator_optimizer.step()
        self.discriminator.requires_grad_(True)

        self.steps += 1
        return {
            "d_loss": d_loss.detach(),
            "g_loss": g_loss.detach(),
            "d_real": real_logits.detach().sigmoid().mean(),
            "d_fake": fake_logits.detach().sigmoid().mean(),
            "d_real_accuracy": (real_logits.detach() > 0).float().mean(),
            "d_fake_accuracy": (fake_logits.detach() < 0).float().mean(),
        }

    def _discriminate(self, real: Tensor, fake: Tensor, classes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits of both, in one pass where no BatchNorm wants the two kinds apart."""
        if self.config.discriminator_batch_norm:
            return self.discriminator(real, classes).float(), self.discriminator(fake, classes).float()
        both = classes.repeat(2) if classes is not None else None
        real_logits, fake_logits = self.discriminator(torch.cat([real, fake]), both).float().chunk(2)
        return real_logits, fake_logits

    @torch.no_grad()
    def generator_gradient_norm(self) -> Tensor:
        """Norm of the gradient that the generator's last update followed."""
        return get_total_norm([p.grad for p in self.generator.parameters() if p.grad is not None])

    def update_ema(self, batch_size: int, images_seen: int) -> None:
        """Move the average towards the weights; early on with a shorter half-life (Karras et al. 2022, EDM, App. F)."""
        if self.ema is self.generator:
            return
        half_life = min(self.config.ema_half_life, self.config.ema_ramp * images_seen)
        weight = 1 - 0.5 ** (batch_size / half_life)
        values: list[Tensor] = [value.detach() for value in self.generator.parameters()]
        averages: list[Tensor] = list(self.ema.parameters())
        torch._foreach_lerp_(averages, values, weight)

    def set_learning_rates(self, generator_factor: float, discriminator_factor: float) -> None:
        """Both learning rates: the config's, times a factor each."""
        for group in self.generator_optimizer.param_groups:
            group["lr"] = self.generator_lr * generator_factor
        for group in self.discriminator_optimizer.param_groups:
            group["lr"] = self.discriminator_lr * discriminator_factor

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later step depends on."""
        return {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "ema": self.ema.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to the state that `state_dict` gave."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.ema.load_state_dict(state["ema"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.steps = state["steps"]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)


def check_finite(*networks: nn.Module) -> None:
    """Raises DivergedError if a weight is NaN or infinite."""
    for network in networks:
        if names := not_finite(network.state_dict()):
            raise DivergedError(f"{type(network).__name__.lower()}.{names[0]} is no finite number any more")


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 pays on the device: on GPUs, and on CPUs with AVX512_BF16 or AMX.

    On one core with AVX512_BF16 a product of this size takes 0.45 of float32's time, and a whole step 0.6 to 0.7.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
