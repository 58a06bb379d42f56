"""Every figure of a generator's digits, each beside its floor: what other real digits get in their place."""

from dataclasses import dataclass

from torch import Tensor

from evaluation.class_histogram import class_histogram, divergence_from_uniform
from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.kernel import kernel_distance
from evaluation.memorisation import Nearest, memorisation, nearest_training_images
from evaluation.precision_recall import precision_recall
from evaluation.quality import frechet_figures, recognised_as_asked
from evaluation.reference import FullReference


@dataclass(frozen=True)
class FullQuality:
    """What was measured, and what the pictures of it are drawn from.

    Attributes:
        figures: The figures by name, flat. A floor's name is the figure's with `_floor` behind it.
        digits: int64[count], what the classifier recognises in the generated images.
        nearest: The training image nearest to each generated one.
    """

    figures: dict[str, float]
    digits: Tensor
    nearest: Nearest


def full_quality(images: Tensor, asked: Tensor | None, reference: FullReference) -> FullQuality:
    """Measure generated digits in every way; docs/evaluation.md tells the figures.

    Args:
        images: uint8[count, 28, 28], generated; exactly as many as the reference has.
        asked: int64[count], the classes that were asked for, or None for a model without classes.
        reference: The real digits. Where they show no digits, there are no figures by class.

    Raises:
        ValueError: There are more or fewer images than the reference has.
    """
    if len(images) != len(reference):
        raise ValueError(f"{len(images)} generated images against {len(reference)} real ones: the counts must be equal")
    features, digits = features_and_digits(shipped_classifier(), images)
    values = {
        "kernel_distance": kernel_distance(features, reference.features),
        **vars(precision_recall(features, reference.features)),
    }
    if reference.shows_digits:
        if asked is not None:
            values["recognised_as_asked"] = recognised_as_asked(digits, asked)
        values["class_divergence"] = divergence_from_uniform(class_histogram(digits))
    figures = frechet_figures(features, reference.light)
    for name, value in values.items():
        figures |= {name: value, f"{name}_floor": reference.floors[name]}
    nearest = nearest_training_images(images, reference.training_images)
    figures |= memorisation(nearest.distances, reference.training_distances)
    return FullQuality(figures, digits, nearest)
