"""The real digits that generated ones are measured against, and what other real digits get: the floor.

`Reference` is the light one, for the Fréchet distance at the milestones of a run. `FullReference` holds all that any
figure needs of the real data, so that a run can keep it in a file and later steps need no data set.
"""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from digitforge.machine.whole_file import whole_file
from evaluation.class_histogram import class_histogram, divergence_from_uniform
from evaluation.classifier import SHOWING_DIGITS, VERSION, features_and_digits, shipped_classifier
from evaluation.frechet import frechet_distance
from evaluation.kernel import kernel_distance
from evaluation.memorisation import nearest_training_images
from evaluation.precision_recall import precision_recall

NAME = "reference.npz"
FORMAT = 1
MOST_IMAGES = 10_000  # of the test set; a few data sets have more


class ReferenceFileError(Exception):
    """A reference's file that is missing, torn or made with another classifier."""


@dataclass(frozen=True)
class Reference:
    """Real digits to measure the Fréchet distance against, and how far other real digits are from them.

    Attributes:
        features: float32[count, 128] of the reference images.
        floor: The Fréchet distance of as many other real digits; what a perfect generator would get.
        shows_digits: Whether the classifier knows what the images show, so that figures by class mean something.
    """

    features: Tensor
    floor: float
    shows_digits: bool

    @classmethod
    def of(cls, reference: Tensor, other_real: Tensor, shows_digits: bool = True) -> "Reference":
        """From real digits uint8[count, 28, 28] and as many others (fewer are taken as they are)."""
        classifier = shipped_classifier()
        features, _ = features_and_digits(classifier, reference)
        other_features, _ = features_and_digits(classifier, other_real[: len(reference)])
        return cls(features, frechet_distance(other_features, features), shows_digits)

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class FullReference:
    """Real digits to measure every figure against.

    Attributes:
        dataset: The data set's name.
        shows_digits: As in `Reference`.
        images: uint8[count, 28, 28], test images.
        labels: int64[count], their classes.
        training_images: uint8[training, 28, 28], all that generators are fitted to.
        features: float32[count, 128] of the test images.
        digits: int64[count], what the classifier recognises in them.
        training_distances: float32[count], from each test image to its nearest training image.
        floors: By a figure's name, its value for as many training images in the place of generated ones: what a
            perfect generator would get.
    """

    dataset: str
    shows_digits: bool
    images: Tensor
    labels: Tensor
    training_images: Tensor
    features: Tensor
    digits: Tensor
    training_distances: Tensor
    floors: dict[str, float]

    @classmethod
    def of(
        cls, dataset: str, images: Tensor, labels: Tensor, training_images: Tensor, shows_digits: bool | None = None
    ) -> "FullReference":
        """From a data set's test images (the first 10,000 of them) and its training images.

        Whether these show digits is told by the data set's name where it is not given. For MNIST it
        takes about half a minute on one core, much of it for the distances.
        """
        shows_digits = dataset in SHOWING_DIGITS if shows_digits is None else shows_digits
        images, labels = images[:MOST_IMAGES].cpu(), labels[:MOST_IMAGES].cpu()
        training_images = training_images.cpu()
        classifier = shipped_classifier()
        features, digits = features_and_digits(classifier, images)
        other_features, other_digits = features_and_digits(classifier, training_images[: len(images)])
        floors = {
            "frechet_distance": frechet_distance(other_features, features),
            "kernel_distance": kernel_distance(other_features, features),
            **vars(precision_recall(other_features, features)),
        }
        if shows_digits:
            floors["recognised_as_asked"] = float((digits == labels).double().mean())
            floors["class_divergence"] = divergence_from_uniform(class_histogram(other_digits))
        distances = nearest_training_images(images, training_images).distances
        return cls(dataset, shows_digits, images, labels, training_images, features, digits, distances, floors)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def light(self) -> Reference:
        """The part that the Fréchet distance needs."""
        return Reference(self.features, self.floors["frechet_distance"], self.shows_digits)

    def first(self, count: int) -> "FullReference":
        """The reference of the first `count` test images, with floors of their own."""
        if count >= len(self):
            return self
        images, labels = self.images[:count], self.labels[:count]
        return FullReference.of(self.dataset, images, labels, self.training_images, self.shows_digits)

    def save(self, path: Path) -> None:
        """Write it, for MNIST about 13 MB. The file is complete as soon as it has its name."""
        content = {name: value.numpy() for name, value in vars(self).items() if isinstance(value, Tensor)}
        about = {"format": FORMAT, "classifier": VERSION} | {
            name: getattr(self, name) for name in ("dataset", "shows_digits", "floors")
        }
        with whole_file(path) as file:
            np.savez_compressed(file, allow_pickle=False, about=np.array(json.dumps(about)), **content)

    @classmethod
    def load(cls, path: Path) -> "FullReference":
        """Read what `save` has written.

        Raises:
            ReferenceFileError: The file is missing, torn or made with another classifier; the message names it.
        """
        try:
            with np.load(path) as content:
                arrays = {name: content[name] for name in content.files}
            about = json.loads(str(arrays.pop("about")))
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise ReferenceFileError(f"{path} cannot be read as a reference: {error}") from error
        if about.get("format") != FORMAT:
            raise ReferenceFileError(f"{path} is not a reference of format {FORMAT}")
        if about["classifier"] != VERSION:
            raise ReferenceFileError(
                f"{path} was made with the classifier {about['classifier']}, this is {VERSION}, and their figures do "
                "not compare; without the file, the reference is built from the data set"
            )
        try:
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            dataset = about["dataset"]
            shows_digits = about.get("shows_digits", dataset in SHOWING_DIGITS)  # older files do not say
            return cls(dataset=dataset, shows_digits=shows_digits, floors=about["floors"], **tensors)
        except (KeyError, TypeError) as error:
            raise ReferenceFileError(f"{path} does not hold what a reference holds: {error}") from error
