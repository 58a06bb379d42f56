"""What a generator and a detector are worth: the figures that go into a run's checkpoint and a model's metadata."""

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.frechet import frechet_distance
from evaluation.reference import Reference


def generator_quality(images: Tensor, asked: Tensor | None, reference: Reference) -> dict[str, float]:
    """How good generated digits are, by what is cheap to measure.

    Args:
        images: uint8[count, 28, 28], generated; as many as the reference has.
        asked: int64[count], the classes that were asked for, or None for a model without classes.
        reference: The real digits. Where they are none, what the classifier takes an image for says nothing.

    Returns:
        `frechet_distance`; `frechet_floor`; `frechet_ratio`, the first by the second; and where classes were asked
        for, `recognised_as_asked`, the share of images in which the classifier sees the digit that was asked for.
    """
    features, digits = features_and_digits(shipped_classifier(), images)
    quality = frechet_figures(features, reference)
    if asked is not None and reference.shows_digits:
        quality["recognised_as_asked"] = recognised_as_asked(digits, asked)
    return quality


def frechet_figures(features: Tensor, reference: Reference) -> dict[str, float]:
    """`frechet_distance`, `frechet_floor` and `frechet_ratio` of generated features float[count, 128]."""
    distance = frechet_distance(features, reference.features)
    return {
        "frechet_distance": distance,
        "frechet_floor": reference.floor,
        "frechet_ratio": distance / reference.floor,
    }


def recognised_as_asked(digits: Tensor, asked: Tensor) -> float:
    """The share of digits recognised, int64[count], that are those asked for, int64[count]."""
    return float((digits == asked).double().mean())


def detector_auroc(real_scores: Tensor, fake_scores: Tensor) -> float:
    """Area under the ROC curve: the probability that a real image scores above a fake one. float[count] each."""
    scores = torch.cat([real_scores.flatten(), fake_scores.flatten()]).double()
    truth = torch.cat([torch.ones(real_scores.numel()), torch.zeros(fake_scores.numel())]).long()
    # Ranks instead of raw scores: the metric squashes values outside [0, 1] and would tie the far ends.
    ranks = scores.unique(return_inverse=True)[1].double() / len(scores)
    return float(binary_auroc(ranks, truth))
