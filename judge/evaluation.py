"""An evaluation from end to end: the pair, the reference, the figures, and what is written of them."""

import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digitforge.machine.onnx_runtime import onnxruntime
from digitforge.machine.whole_file import naming, write_whole
from evaluation import kernel, memorisation, precision_recall
from evaluation.classifier import VERSION, Classifier
from evaluation.detector_quality import called_real, detector_quality
from evaluation.fit_classifier import EPOCHS, accuracy, fit_classifier
from evaluation.full_quality import full_quality
from evaluation.reference import MOST_IMAGES, FullReference
from evaluation.reference import NAME as REFERENCE
from judge.pair import EvaluatedPair
from judge.pictures import draw_detector_pictures, draw_pictures
from judge.table import HEADER, goals, rows
from judge.tables import markdown_table, text_table
from training.data import images_at_hand, load_data_set
from training.measure import SEED
from training.provenance import source_commit

SCHEMA = 1
TSTR_IMAGES = 60_000
TSTR_SEED = SEED + 1  # latents of its own
PACKAGES = ("torch", "torchmetrics", "numpy")
Say = Callable[[str], None]


class NoClassesError(Exception):
    """A figure that needs labelled images was asked of a generator without classes."""


def evaluate(
    pair: EvaluatedPair,
    out: Path,
    data_dir: Path,
    count: int | None,
    tstr_epochs: int | None,
    say: Say,
) -> str:
    """Measure a pair, write `evaluation.json`, `evaluation.md` and the pictures, and return the table.

    Args:
        pair: What is evaluated.
        out: The folder to write into; made where it is not there.
        data_dir: Where the data set is, for a pair whose run keeps no reference; the detector is also shown what other
            data sets lie there.
        count: Generated, and as many real, images to compare; None: as many as the reference has.
        tstr_epochs: Epochs of the training on synthetic digits; None: leave it out.
        say: Told what is being done.

    Raises:
        NoClassesError: TSTR of a generator without classes.
        ReferenceFileError, DataUnavailableError, DataFileError: The real digits cannot be had.
        OSError: The folder cannot be written to.
    """
    if tstr_epochs is not None and not pair.classes:
        raise NoClassesError(f"--tstr needs labelled digits, and {pair.name} cannot be asked for a class")
    with naming(out):
        out.mkdir(parents=True, exist_ok=True)
    reference, source = find_reference(pair, data_dir, count, say)
    say(f"measuring {len(reference):,} generated images against as many real ones")
    images, asked = pair.images(len(reference))
    quality = full_quality(images, asked, reference)
    figures = dict(quality.figures)
    pictures = draw_pictures(out, images, asked, quality, reference)
    if pair.score is not None:
        figures |= detector_quality(
            pair.scores, reference.images, reference.labels, images, pair.thresholds, reference.shows_digits
        )
        if reference.shows_digits:
            figures |= figures_of_other_data(pair, data_dir, say)
        pictures += draw_detector_pictures(
            out, pair.logits(reference.images), pair.logits(images), pair.thresholds.real
        )
    if tstr_epochs is not None:
        figures |= tstr_figures(pair, reference, tstr_epochs, say)

    how = {
        "generated_images": len(images),
        "real_images": len(reference),
        "training_images": len(reference.training_images),
        "reference": source,
        "classifier": VERSION,
        "features": features_note(reference),
        "latent_seed": SEED,
        "classes_asked": f"0 to {pair.classes - 1} in turn" if pair.classes else None,
        "neighbours": precision_recall.NEIGHBOURS,
        "kernel_subsets": [kernel.SUBSETS, kernel.SUBSET_SIZE] if len(reference) > kernel.SUBSET_SIZE else None,
        "kernel_seed": kernel.SEED,
        "memorisation_rule": {
            "nearer_to_training_at_most": memorisation.MOST_NEARER_TO_TRAINING,
            "near_copies_at_most": memorisation.MOST_NEAR_COPIES,
        },
        "detector_thresholds": pair.thresholds._asdict() if pair.score else None,
        "tstr": tstr_epochs and {"images": TSTR_IMAGES, "epochs": tstr_epochs, "latent_seed": TSTR_SEED, "seed": 0},
    }
    what = {"name": pair.name, **pair.about, "dataset": pair.dataset}
    report = {
        "schema": SCHEMA,
        "what": what,
        "figures": figures,
        "goals": goals(figures),
        "how": how,
        "versions": versions(),
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    write_whole(out / "evaluation.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    lines = heading(pair, reference)
    write_whole(out / "evaluation.md", markdown(lines, figures, pictures))
    return "\n".join([*lines, "", text_table(HEADER, rows(figures))])


def find_reference(pair: EvaluatedPair, data_dir: Path, count: int | None, say: Say) -> tuple[FullReference, str]:
    """The run's own reference where it keeps one, else one built from the data set; and where it is from."""
    if pair.run_folder is not None and (path := pair.run_folder / REFERENCE).is_file():
        reference, source = FullReference.load(path), REFERENCE
        return (reference.first(count) if count else reference), source
    say(f"building the reference from {pair.dataset}")
    data = load_data_set(pair.dataset, data_dir, say)
    test = data.test[:count] if count else data.test
    reference = FullReference.of(data.name, test.images, test.labels, data.fit.images, data.shows_digits)
    return reference, f"data set {data.name}"


def figures_of_other_data(pair: EvaluatedPair, data_dir: Path, say: Say) -> dict[str, float]:
    """What a detector of digits makes of other handwriting, and of what is none, where such data sets are on disk."""
    others = images_at_hand(data_dir, besides=pair.dataset)
    say(f"other data sets in {data_dir} to show the detector: {', '.join(others) or 'none'}")
    named = [(name.replace("-", "_"), images[:MOST_IMAGES]) for name, images in others.items()]
    return called_real(pair.scores, named, pair.thresholds)


def tstr_figures(pair: EvaluatedPair, reference: FullReference, epochs: int, say: Say) -> dict[str, float]:
    """Train on synthetic, test on real. The floor is that of the shipped classifier: same recipe, on real MNIST."""
    say(f"training a classifier on {TSTR_IMAGES:,} generated digits, {epochs} epochs")
    images, asked = pair.images(TSTR_IMAGES, TSTR_SEED)
    assert asked is not None
    start = time.monotonic()
    seen = []

    def after_epoch(epoch: int, classifier: Classifier) -> None:
        seen.append(accuracy(classifier, reference.images, reference.labels))
        say(f"epoch {epoch}/{epochs}: {seen[-1]:.2%} of the real digits, {time.monotonic() - start:.0f} s")

    fit_classifier(images, asked, epochs, after_epoch=after_epoch)
    figures = {"tstr_accuracy": seen[-1]}
    if reference.dataset == "mnist" and epochs == EPOCHS:
        figures["tstr_accuracy_floor"] = reference.floors["recognised_as_asked"]
    return figures


def features_note(reference: FullReference) -> str:
    """What the classifier's features are for this data set."""
    if reference.shows_digits:
        return "of the MNIST classifier, which recognises these digits"
    return f"of the MNIST classifier as a generic embedding: {reference.dataset} shows no digits, no figures by class"


def heading(pair: EvaluatedPair, reference: FullReference) -> list[str]:
    """What was evaluated and against what, in two lines."""
    about = pair.about
    version_of = f" version {about['version']}" if "version" in about else ""
    seen = f", {about['images_seen']:,} images seen" if "images_seen" in about else ""
    count = f"{len(reference):,}"
    return [
        f"{about['path']}{version_of}: {about['kind']}, run {about['run_id']}{seen}, data set {pair.dataset}",
        f"{count} generated images against {count} of the test set; features {features_note(reference)} ({VERSION})",
    ]


def markdown(lines: list[str], figures: dict[str, float], pictures: list[str]) -> str:
    """The page: the same table, and the pictures."""
    parts = [
        "# Evaluation",
        *lines,
        markdown_table(HEADER, rows(figures)).rstrip(),
        *(f"![]({name})" for name in pictures),
    ]
    return "\n\n".join(parts) + "\n"


def versions() -> dict[str, Any]:
    """What computed the figures."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "onnxruntime": onnxruntime.__version__,
        "commit": source_commit(),
    }
