"""What a generator and a detector are worth: the figures that go into a run's checkpoint and a model's metadata."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc

from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.frechet import frechet_distance


@dataclass(frozen=True)
class Reference:
    """Real digits to measure generated ones against, and how far other real digits are from them.

    Attributes:
        features: float32[count, 128] of the reference images.
        floor: The Fréchet distance of as many other real digits; what a perfect generator would get.
    """

    features: Tensor
    floor: float

    @classmethod
    def of(cls, reference: Tensor, other_real: Tensor) -> "Reference":
        """From real digits uint8[count, 28, 28] and as many others (fewer are taken as they are)."""
        classifier = shipped_classifier()
        features, _ = features_and_digits(classifier, reference)
        other_features, _ = features_and_digits(classifier, other_real[: len(reference)])
        return cls(features, frechet_distance(other_features, features))

    def __len__(self) -> int:
        return len(self.features)


def generator_quality(images: Tensor, asked: Tensor | None, reference: Reference) -> dict[str, float]:
    """How good generated digits are.

    Args:
        images: uint8[count, 28, 28], generated; as many as the reference has.
        asked: int64[count], the classes that were asked for, or None for a model without classes.
        reference: The real digits.

    Returns:
        `frechet_distance`; `frechet_floor`; `frechet_ratio`, the first by the second; and where classes were asked
        for, `recognised_as_asked`, the share of images in which the classifier sees the digit that was asked for.
    """
    features, digits = features_and_digits(shipped_classifier(), images)
    distance = frechet_distance(features, reference.features)
    quality = {
        "frechet_distance": distance,
        "frechet_floor": reference.floor,
        "frechet_ratio": distance / reference.floor,
    }
    if asked is not None:
        quality["recognised_as_asked"] = float((digits == asked).double().mean())
    return quality


def detector_auroc(real_scores: Tensor, fake_scores: Tensor) -> float:
    """Area under the ROC curve: the probability that a real image scores above a fake one. float[count] each."""
    scores = torch.cat([real_scores.flatten(), fake_scores.flatten()]).double()
    truth = torch.cat([torch.ones(real_scores.numel()), torch.zeros(fake_scores.numel())]).long()
    # Ranks instead of raw scores: the metric squashes values outside [0, 1] and would tie the far ends.
    ranks = scores.unique(return_inverse=True)[1].double() / len(scores)
    return float(binary_auroc(ranks, truth))
