import pytest
import torch
from torch import nn
from torch.nn import functional as F

from training.losses import discriminator_loss, generator_loss, r1_penalty


def test_losses_are_binary_cross_entropy() -> None:
    real, fake = torch.randn(2, 64, 1, generator=torch.Generator().manual_seed(0))
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    expected = F.binary_cross_entropy(real.sigmoid(), ones) + F.binary_cross_entropy(fake.sigmoid(), zeros)
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), F.binary_cross_entropy(fake.sigmoid(), ones))


def test_losses_stay_finite_where_a_sigmoid_saturates() -> None:
    logits = torch.tensor([[-1e4], [1e4]])
    assert discriminator_loss(logits, logits).isfinite()
    assert generator_loss(logits).isfinite()


def test_r1_of_a_linear_discriminator_is_half_its_squared_weight() -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 1)

        def forward(self, images: torch.Tensor, digits: torch.Tensor | None) -> torch.Tensor:
            return self.layer(images)

    discriminator = Linear()
    penalty = r1_penalty(discriminator, torch.randn(32, 784), None)
    assert penalty.item() == pytest.approx(discriminator.layer.weight.square().sum().item() / 2, rel=1e-5)
    penalty.backward()
    torch.testing.assert_close(discriminator.layer.weight.grad, discriminator.layer.weight.detach())
