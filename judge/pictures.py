"""The pictures of an evaluation: what the figures were measured on, for the eye."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional.classification import binary_roc

from digitforge.machine.whole_file import whole_file
from evaluation.calibration import calibration_error, reliability
from evaluation.class_histogram import CLASSES, class_histogram
from evaluation.full_quality import FullQuality
from evaluation.quality import detector_auroc
from evaluation.reference import FullReference

mpl.use("Agg")  # no window
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

ROWS = 12
CLOSEST = 20
COMPARED = ("precision", "recall", "density", "coverage")
DPI = 100


def draw_pictures(
    folder: Path, images: Tensor, asked: Tensor | None, quality: FullQuality, reference: FullReference
) -> list[str]:
    """Write all pictures into a folder, and return their files' names in an order to look at them."""
    draw_sheet(folder / "sheet.png", images, quality.digits if asked is None and reference.shows_digits else asked)
    draw_closest(folder / "closest.png", images, quality, reference)
    draw_distances(folder / "distances.png", quality, reference)
    draw_comparison(folder / "precision_recall.png", quality.figures)
    names = ["sheet.png", "closest.png", "distances.png", "precision_recall.png"]
    if reference.shows_digits:
        draw_classes(folder / "classes.png", quality, reference)
        names.append("classes.png")
    return names


def draw_sheet(path: Path, images: Tensor, classes: Tensor | None) -> None:
    """The first images uint8[count, 28, 28], a class in each of ten columns; without classes, in their order."""
    if classes is None:
        columns = [images[column : CLASSES * ROWS : CLASSES] for column in range(CLASSES)]
    else:
        columns = [images[classes == number][:ROWS] for number in range(CLASSES)]
    sheet = torch.zeros(ROWS, 28, CLASSES, 28, dtype=torch.uint8)
    for number, column in enumerate(columns):
        sheet[: len(column), :, number] = column
    with whole_file(path) as file:
        Image.fromarray(sheet.reshape(ROWS * 28, CLASSES * 28).numpy()).save(file, "PNG")


def draw_closest(path: Path, images: Tensor, quality: FullQuality, reference: FullReference) -> None:
    """The generated images that are nearest to the training set, each above the training image in question.

    First the nearest of each recognised class, then the nearest of all, which tend to be ones.
    """
    order = quality.nearest.distances.argsort()
    chosen = {"the nearest of all": order[:CLOSEST]}
    if reference.shows_digits:
        by_class = [order[quality.digits[order] == number][:2] for number in range(CLASSES)]
        chosen = {"the nearest of each digit": torch.cat(by_class), **chosen}
    figure = plt.figure(figsize=(CLOSEST * 0.6, 2.2 * len(chosen)), layout="constrained")
    parts = figure.subfigures(len(chosen), squeeze=False)[:, 0]
    for part, (title, indices) in zip(parts, chosen.items(), strict=True):
        part.suptitle(f"{title}: generated above, training image below, distance between", fontsize=9)
        axes = part.subplots(2, CLOSEST, squeeze=False)
        for axis in axes.flat:
            axis.set_axis_off()
        for column, index in enumerate(indices.tolist()):
            training_image = reference.training_images[quality.nearest.indices[index]]
            axes[0, column].imshow(images[index].numpy(), cmap="gray", vmin=0, vmax=255)
            axes[1, column].imshow(training_image.numpy(), cmap="gray", vmin=0, vmax=255)
            axes[1, column].set_title(f"{quality.nearest.distances[index]:.2f}", fontsize=8)
    _save(figure, path)


def draw_distances(path: Path, quality: FullQuality, reference: FullReference) -> None:
    """How far the generated and the real test images are from their nearest training images."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    samples = {"real, unseen": reference.training_distances, "generated": quality.nearest.distances}
    highest = max(float(values.max()) for values in samples.values())
    for label, values in samples.items():
        axes.hist(values.numpy(), bins=100, range=(0, highest), histtype="step", label=label)
    axes.set(xlabel="L2 distance to the nearest training image, pixels in [0, 1]", ylabel="images")
    axes.legend()
    _save(figure, path)


def draw_classes(path: Path, quality: FullQuality, reference: FullReference) -> None:
    """How many of each digit the classifier recognises, beside the same for the real test images."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for label, digits, shift in (("real", reference.digits, -0.2), ("generated", quality.digits, 0.2)):
        places = [number + shift for number in range(CLASSES)]
        axes.bar(places, class_histogram(digits).numpy(), width=0.4, label=label)
    axes.axhline(len(quality.digits) / CLASSES, color="grey", linewidth=0.5)
    axes.set(xlabel="digit recognised", ylabel="images", xticks=range(CLASSES))
    axes.legend()
    _save(figure, path)


def draw_comparison(path: Path, figures: Mapping[str, float]) -> None:
    """Precision, recall, density and coverage beside what other real images get."""
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for label, suffix, shift in (("real", "_floor", -0.2), ("generated", "", 0.2)):
        values = [figures[name + suffix] for name in COMPARED]
        bars = axes.bar([place + shift for place in range(len(COMPARED))], values, width=0.4, label=label)
        axes.bar_label(bars, fmt="%.3f", fontsize=8)
    axes.set_xticks(range(len(COMPARED)), COMPARED)
    axes.legend(loc="lower right")
    _save(figure, path)


def draw_detector_pictures(folder: Path, real_logits: Tensor, fake_logits: Tensor, threshold: float) -> list[str]:
    """Write the detector's pictures into a folder, and return their files' names; float[count] each."""
    draw_roc(folder / "detector_roc.png", real_logits, fake_logits, threshold)
    draw_reliability(folder / "detector_reliability.png", real_logits.sigmoid(), fake_logits.sigmoid())
    return ["detector_roc.png", "detector_reliability.png"]


def draw_roc(path: Path, real_logits: Tensor, fake_logits: Tensor, threshold: float) -> None:
    """Real images called real over fakes called real, for every threshold, with the one that is used marked."""
    logits = torch.cat([real_logits, fake_logits]).double()
    truth = torch.cat([torch.ones(len(real_logits)), torch.zeros(len(fake_logits))]).long()
    fakes, reals, _ = binary_roc(logits.sigmoid(), truth)
    at = [float((part.double().sigmoid() >= threshold).double().mean()) for part in (fake_logits, real_logits)]
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.plot(fakes.numpy(), reals.numpy(), label=f"AUROC {detector_auroc(real_logits, fake_logits):.4f}")
    axes.plot(*at, "o", label=f"threshold {threshold:.3g}: {at[1]:.1%} of real, {at[0]:.1%} of fakes")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes.set(xlabel="generated images called real", ylabel="real images called real", aspect="equal")
    axes.legend(loc="lower right")
    _save(figure, path)


def draw_reliability(path: Path, real_probabilities: Tensor, fake_probabilities: Tensor) -> None:
    """How often images are real that get some probability, and how many get it."""
    mean, share, images = reliability(real_probabilities, fake_probabilities)
    error = calibration_error(real_probabilities, fake_probabilities)
    figure, (above, below) = plt.subplots(2, 1, figsize=(5, 6), height_ratios=[3, 1], sharex=True, layout="constrained")
    above.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    above.plot(mean.numpy(), share.numpy(), "o-")
    above.set(ylabel="share that is real", title=f"calibration error {error:.4f}")
    below.bar(mean.numpy(), images.numpy(), width=0.04)
    below.set(xlabel="probability of being real", ylabel="images", yscale="log")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as file:
        figure.savefig(file, dpi=DPI)
    plt.close(figure)
