"""Fit the classifier's architecture to labelled digits: real ones for the shipped weights, generated ones for TSTR.

"Train on synthetic, test on real" (TSTR; Esteban et al. 2017, "Real-valued (Medical) Time Series Generation with
Recurrent Conditional GANs"): what a classifier that has seen generated digits alone gets right of the real ones. It
falls when digits are unlike real ones, labelled wrongly, or too much alike.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.classifier import Classifier, features_and_digits

BATCH = 128
PEAK_LR = 3e-3
EPOCHS = 12


def fit_classifier(
    images: Tensor,
    labels: Tensor,
    epochs: int = EPOCHS,
    seed: int = 0,
    after_epoch: Callable[[int, Classifier], None] | None = None,
) -> Classifier:
    """Fit a fresh classifier; each image is shifted, turned and scaled a little, another way in every epoch.

    Args:
        images: uint8[count, 28, 28].
        labels: int64[count], 0 to 9.
        epochs: Passes over the images.
        seed: Of the weights, the order and the augmentation: the same seed gives the same classifier.
        after_epoch: Called with the number of the epoch, from 1, and the classifier so far, in inference mode.

    Returns:
        The classifier in inference mode.

    Raises:
        ValueError: There are fewer images than a batch has.
    """
    steps_per_epoch = len(images) // BATCH
    if not steps_per_epoch:
        raise ValueError(f"{len(images)} images are too few to fit a classifier: a batch has {BATCH}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier()
        optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=1e-2, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=epochs * steps_per_epoch)
        for epoch in range(epochs):
            classifier.train()
            for batch in torch.randperm(len(images))[: steps_per_epoch * BATCH].split(BATCH):
                logits = classifier(augment(images[batch]))
                loss = F.cross_entropy(logits, labels[batch], label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            classifier.eval()
            if after_epoch is not None:
                after_epoch(epoch + 1, classifier)
    return classifier


def accuracy(classifier: Classifier, images: Tensor, labels: Tensor) -> float:
    """The share of images uint8[count, 28, 28] that a classifier in inference mode recognises."""
    _, recognised = features_and_digits(classifier, images)
    return float((recognised == labels).double().mean())


def augment(images: Tensor) -> Tensor:
    """Turn by up to 12 degrees, scale by up to 10% and shift by up to 2 pixels, each image in its own way.

    uint8[batch, 28, 28] -> float32[batch, 28, 28], 0 to 255.
    """
    count = len(images)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count) * 2 - 1) * limit

    angle, scale, shift = uniform(math.radians(12)), 1 + uniform(0.1), 2 * 2 / 28  # `affine_grid`: an image is 2 wide
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = [torch.stack([cosine, -sine, uniform(shift)], 1), torch.stack([sine, cosine, uniform(shift)], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), [count, 1, 28, 28], align_corners=False)
    return F.grid_sample(images.unsqueeze(1).float(), grid, align_corners=False).squeeze(1)
