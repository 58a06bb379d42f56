"""Losses and penalties: pure functions of tensors. Logits are float[batch, 1], positive for real."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Binary cross-entropy with targets 1 for real and 0 for fake, the two means added (Goodfellow et al. 2014)."""
    # softplus(-x) is BCE(sigmoid(x), 1) and softplus(x) is BCE(sigmoid(x), 0), without the overflow.
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """The non-saturating loss: cross-entropy of the fakes against the target 1 (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake_logits).mean()


def r1_penalty(discriminator: nn.Module, images: Tensor, digits: Tensor | None) -> Tensor:
    """Half the mean squared norm of the logit's gradient at real images (Mescheder et al. 2018, R1, without gamma).

    It needs a second derivative, so it runs in float32 and outside `torch.compile`.
    """
    images = images.detach().requires_grad_(True)
    logits = discriminator(images, digits)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum(dim=1).mean() / 2
