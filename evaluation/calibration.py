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


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """What to multiply the logits of classes with, so that their softmax is a probability (Guo et al. 2017).

    Args:
        logits: float[count, classes], of images that no training step saw.
        labels: int64[count].

    Returns:
        The inverse of the temperature, which is positive: it minimises the cross-entropy.
    """
    logits = logits.detach().double()
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_scale], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(log_scale.exp() * logits, labels)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return float(log_scale.detach().exp())


def calibration_error(real_probabilities: Tensor, fake_probabilities: Tensor) -> float:
    """Expected calibration error, 15 equal bins (Guo et al. 2017), of as many real images as fakes, float[count]."""
    probabilities = torch.cat([real_probabilities.flatten(), fake_probabilities.flatten()]).double()
    truth = torch.cat([torch.ones(real_probabilities.numel()), torch.zeros(fake_probabilities.numel())]).long()
    # torchmetrics takes the confidence of the predicted class apart from the class; here it is the probability of one.
    return float(binary_calibration_error(probabilities, truth, n_bins=BINS, norm="l1"))


def reliability(real_probabilities: Tensor, fake_probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a reliability diagram shows (DeGroot and Fienberg 1983), over the same bins as `calibration_error`.

    Args:
        real_probabilities: float[count], that each of so many real images is real.
        fake_probabilities: The same of as many fakes.

    Returns:
        Of every bin that is not empty, float64[bins]: the mean probability, the share of real images, and the images.
    """
    probabilities = torch.cat([real_probabilities.flatten(), fake_probabilities.flatten()]).double()
    truth = torch.cat([torch.ones(real_probabilities.numel()), torch.zeros(fake_probabilities.numel())]).double()
    places = (probabilities * BINS).long().clamp(max=BINS - 1)
    images = torch.zeros(BINS, dtype=torch.float64).index_add(0, places, torch.ones_like(truth))
    mean = torch.zeros(BINS, dtype=torch.float64).index_add(0, places, probabilities) / images
    share = torch.zeros(BINS, dtype=torch.float64).index_add(0, places, truth) / images
    filled = images > 0
    return mean[filled], share[filled], images[filled]
