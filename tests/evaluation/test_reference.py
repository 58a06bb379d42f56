"""The reference's file, and the figures that are measured against a reference."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.class_histogram import class_histogram, divergence_from_uniform
from evaluation.classifier import VERSION, features_and_digits, shipped_classifier
from evaluation.frechet import frechet_distance
from evaluation.full_quality import full_quality
from evaluation.kernel import kernel_distance
from evaluation.memorisation import memorisation, nearest_training_images
from evaluation.precision_recall import precision_recall
from evaluation.quality import generator_quality
from evaluation.reference import FullReference, Reference, ReferenceFileError
from training.data import DataSet

COUNT = 200


@pytest.fixture(scope="module")
def reference(small_digits: DataSet) -> FullReference:
    test, fit = small_digits.test[:COUNT], small_digits.fit
    return FullReference.of("sklearn-digits", test.images, test.labels, fit.images)


def test_a_reference_holds_the_test_images_and_what_as_many_training_images_get(
    reference: FullReference, small_digits: DataSet
) -> None:
    test, fit = small_digits.test[:COUNT], small_digits.fit
    features, digits = features_and_digits(shipped_classifier(), test.images)
    other_features, other_digits = features_and_digits(shipped_classifier(), fit.images[:COUNT])
    assert torch.equal(reference.images, test.images)
    assert torch.equal(reference.training_images, fit.images)
    assert torch.equal(reference.features, features)
    assert torch.equal(reference.digits, digits)
    assert torch.equal(reference.training_distances, nearest_training_images(test.images, fit.images).distances)
    found = precision_recall(other_features, features)
    assert reference.floors == {
        "frechet_distance": frechet_distance(other_features, features),
        "kernel_distance": kernel_distance(other_features, features),
        "precision": found.precision,
        "recall": found.recall,
        "density": found.density,
        "coverage": found.coverage,
        "recognised_as_asked": float((digits == test.labels).double().mean()),  # as the classifier reads real digits
        "class_divergence": divergence_from_uniform(class_histogram(other_digits)),
    }


def test_every_figure_of_generated_digits_is_that_of_its_metric(
    reference: FullReference, small_digits: DataSet
) -> None:
    """With held-out digits in the place of generated ones, and some asked for another class."""
    images = small_digits.held_out.images
    asked = small_digits.held_out.labels.clone()
    asked[:40] = (asked[:40] + 1) % 10
    quality = full_quality(images, asked, reference)
    features, digits = features_and_digits(shipped_classifier(), images)
    nearest = nearest_training_images(images, small_digits.fit.images)
    distance = frechet_distance(features, reference.features)
    measured = {
        "kernel_distance": kernel_distance(features, reference.features),
        **vars(precision_recall(features, reference.features)),
        "recognised_as_asked": float((digits == asked).double().mean()),
        "class_divergence": divergence_from_uniform(class_histogram(digits)),
    }
    floors = {f"{name}_floor": reference.floors[name] for name in measured}
    assert quality.figures == {
        "frechet_distance": distance,
        "frechet_floor": reference.floors["frechet_distance"],
        "frechet_ratio": distance / reference.floors["frechet_distance"],
        **measured,
        **floors,
        **memorisation(nearest.distances, reference.training_distances),
    }
    assert torch.equal(quality.digits, digits)
    assert torch.equal(quality.nearest.indices, nearest.indices)


def test_a_loaded_reference_is_the_one_that_was_saved(reference: FullReference, tmp_path: Path) -> None:
    reference.save(tmp_path / "reference.npz")
    loaded = FullReference.load(tmp_path / "reference.npz")
    for field in dataclasses.fields(FullReference):
        saved, found = getattr(reference, field.name), getattr(loaded, field.name)
        assert torch.equal(saved, found) if isinstance(saved, torch.Tensor) else saved == found, field.name
    assert [path.name for path in tmp_path.iterdir()] == ["reference.npz"]


def test_whether_digits_are_shown_is_told_by_the_name_unless_it_is_given(small_digits: DataSet, tmp_path: Path) -> None:
    test, fit = small_digits.test[:50], small_digits.fit[:50]
    for name, given, expected in (
        ("fashion-mnist", None, False),
        ("mnist", None, True),
        ("folder", True, True),
        ("mnist", False, False),
    ):
        reference = FullReference.of(name, test.images, test.labels, fit.images, given)
        assert reference.shows_digits == reference.light.shows_digits == expected
        assert ("recognised_as_asked" in reference.floors) == expected
        assert reference.first(25).shows_digits == expected
        reference.save(tmp_path / "reference.npz")
        assert FullReference.load(tmp_path / "reference.npz").shows_digits == expected


@pytest.mark.parametrize("keep", [0, 0.3, 0.9])
def test_a_torn_file_is_refused_by_name(keep: float, reference: FullReference, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    reference.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(ReferenceFileError, match=r"reference\.npz cannot be read as a reference"):
        FullReference.load(path)


def test_a_missing_file_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceFileError, match="cannot be read"):
        FullReference.load(tmp_path / "reference.npz")
    np.savez(tmp_path / "other.npz", features=np.zeros(3))
    with pytest.raises(ReferenceFileError, match="cannot be read"):
        FullReference.load(tmp_path / "other.npz")


def test_a_file_of_another_classifier_is_refused(reference: FullReference, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    reference.save(path)
    with np.load(path) as content:
        arrays = dict(content)
    about = json.loads(str(arrays["about"])) | {"classifier": "mnist-classifier-0"}
    np.savez(path, **(arrays | {"about": np.array(json.dumps(about))}))
    with pytest.raises(ReferenceFileError, match=f"classifier mnist-classifier-0, this is {VERSION}"):
        FullReference.load(path)


def test_the_light_part_is_the_light_reference(reference: FullReference, small_digits: DataSet) -> None:
    light = Reference.of(small_digits.test.images[:COUNT], small_digits.fit.images)
    assert torch.equal(reference.light.features, light.features)
    assert reference.light.floor == light.floor
    images = small_digits.held_out.images
    labels = small_digits.held_out.labels
    figures = generator_quality(images, labels, light)
    assert figures.items() <= full_quality(images, labels, reference).figures.items()


def test_the_first_images_have_a_reference_of_their_own(reference: FullReference, small_digits: DataSet) -> None:
    first = reference.first(100)
    test = small_digits.test[:100]
    own = FullReference.of("sklearn-digits", test.images, test.labels, small_digits.fit.images)
    assert first.floors == own.floors
    assert reference.first(COUNT) is reference


def test_real_digits_get_their_floors_and_noise_gets_none(reference: FullReference, small_digits: DataSet) -> None:
    """The floor is measured on the first training images: as generated ones, they get it exactly."""
    fit = small_digits.fit[:COUNT]
    figures = full_quality(fit.images, fit.labels, reference).figures
    for name, floor in reference.floors.items():
        if name not in ("frechet_distance", "recognised_as_asked"):
            assert figures[name] == floor, name
    assert figures["frechet_ratio"] == 1
    assert figures["memorisation_passed"] == 0  # they are training images

    noise = torch.randint(0, 256, (COUNT, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    far = full_quality(noise, None, reference).figures
    assert far["frechet_ratio"] > 20
    assert far["kernel_distance"] > 1
    assert far["precision"] == far["coverage"] == 0
    assert "recognised_as_asked" not in far


def test_images_that_show_no_digits_get_no_figures_by_class(reference: FullReference) -> None:
    clothing = dataclasses.replace(reference, shows_digits=False)
    figures = full_quality(reference.images, reference.labels, clothing).figures
    assert not {"recognised_as_asked", "class_divergence"} & figures.keys()
    assert "precision" in figures


def test_unequal_counts_are_refused(reference: FullReference) -> None:
    with pytest.raises(ValueError, match="199 generated images against 200 real ones"):
        full_quality(reference.images[:-1], None, reference)
