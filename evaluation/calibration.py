"""Making a detector's answer a probability: a line through its logits (Platt 1999), fitted where it was not trained."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_calibration_error

BINS = 15


def fit_platt(real_logits: Tensor, fake_logits: Tensor) -> tuple[float, float]:
    """`scale` and `shift` that minimise the cross-entropy of `scale * logit + shift`, both classes weighing the same.

    Args:
        real_logits: float[count], of real images that no training step saw.
        fake_logits: The same of fakes.

    Returns:
        `scale`, which is positive, and `shift`.
    """
    real, fake = real_logits.flatten().double(), fake_logits.flatten().double()
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_scale, shift], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scale = log_scale.exp()
        value = F.softplus(-(scale * real + shift)).mean() + F.softplus(scale * fake + shift).mean()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return float(log_scale.detach().exp()), float(shift.detach())


def calibration_error(real_probabilities: Tensor, fake_probabilities: Tensor) -> float:
    """Expected calibration error, 15 equal bins (Guo et al. 2017), of as many real images as fakes, float[count]."""
    probabilities = torch.cat([real_probabilities.flatten(), fake_probabilities.flatten()]).double()
    truth = torch.cat([torch.ones(real_probabilities.numel()), torch.zeros(fake_probabilities.numel())]).long()
    # torchmetrics takes the confidence of the predicted class apart from the class; here it is the probability of one.
    return float(binary_calibration_error(probabilities, truth, n_bins=BINS, norm="l1"))
