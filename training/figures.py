"""The figures of a pair's quality, told to people: what each is called, what it means and how it is written."""

from collections.abc import Mapping
from dataclasses import dataclass

FLOOR = "_floor"


@dataclass(frozen=True)
class Figure:
    """How a figure is told.

    Attributes:
        label: Its name.
        meaning: What it says, in a sentence or two.
        unit: `share` is written as a percentage, `multiple` of the floor as such, `count` and `number` as they are.
        headline: It is among those that are shown first.
        floor: Name of its floor, where that is not its own with `_floor` behind it.
    """

    label: str
    meaning: str
    unit: str = "number"
    headline: bool = False
    floor: str = ""


# Ways to send an image as a picture file.
SENT = (
    ("sent", "sent", "sent as picture files, light on dark or dark on light"),
    ("enlarged", "enlarged", "sent as enlarged picture files, light on dark or dark on light"),
)

# In the order in which they are shown.
FIGURES = {
    "frechet_ratio": Figure(
        "Fréchet distance",
        "How far the fakes are from real images, in a classifier's features, as a multiple of the floor: what other "
        "real images get. Lower is better, 1 is perfect.",
        "multiple",
        headline=True,
    ),
    "recognised_as_asked": Figure(
        "Recognised as asked",
        "Share of fakes in which the classifier sees the digit that was asked for.",
        "share",
        headline=True,
    ),
    "precision": Figure(
        "Precision", "Share of fakes that lie where real images lie: how many look real.", "share", headline=True
    ),
    "recall": Figure(
        "Recall", "Share of real images that lie where fakes lie: how much of the variety is there.", "share", True
    ),
    "auroc": Figure(
        "Detector's AUROC",
        "How often the detector ranks a real image above a fake. 1: always; 0.5: it cannot tell. The better the fakes, "
        "the lower.",
        headline=True,
    ),
    "calibration_error": Figure(
        "Calibration error", "How far the detector's probabilities are from how often it is right, on average.", "share"
    ),
    "real_called_fake": Figure(
        "Real called fake",
        "Share of unseen real images that the detector does not call real, for whatever reason.",
        "share",
    ),
    "fakes_called_fake": Figure(
        "Fakes called fake", "Share of its own generator's images that it does not call real.", "share"
    ),
    "class_accuracy": Figure(
        "Classes told", "Share of unseen real images of which the detector tells the class.", "share"
    ),
    **{
        f"{name}_auroc": Figure(f"Detector's AUROC, {label}", f"The same of real images and fakes that were {what}.")
        for name, label, what in SENT
    },
    **{
        f"{name}_fakes_called_fake": Figure(
            f"Fakes called fake, {label}",
            f"Share of its own generator's images, {what}, that it does not call real.",
            "share",
        )
        for name, label, what in SENT
    },
    **{
        f"{name}_called_real": Figure(f"{label} called real", f"Share of {what} that the detector calls real.", "share")
        for name, label, what in (
            ("jpeg", "JPEG", "unseen real images, saved as JPEG,"),
            ("resized", "Resized", "unseen real images, scaled and scaled back,"),
            ("blurred", "Blurred", "unseen real images, blurred,"),
            ("warped", "Warped", "unseen real images, turned and stretched a little,"),
            ("sent", "Sent", "unseen real images, sent as picture files,"),
            ("enlarged", "Enlarged", "unseen real images, sent as enlarged picture files,"),
            ("noise", "Noise", "images of noise"),
            ("blank", "Blank", "blank images"),
            ("inverted", "Inverted", "inverted real images"),
            ("several", "Several", "images of several real ones side by side"),
            ("letters", "Letters", "letters in fonts that it has not seen"),
            ("greek", "Greek letters", "Greek letters drawn with a pen"),
            ("doodles", "Doodles", "doodles of straight lines"),
        )
    },
    "density": Figure("Density", "How many real images' neighbourhoods a fake lies in; real images get about 1."),
    "coverage": Figure("Coverage", "Share of real images with a fake in their neighbourhood.", "share"),
    "frechet_distance": Figure(
        "Fréchet distance, absolute", "Compares only under the same classifier.", floor="frechet_floor"
    ),
    "kernel_distance": Figure("Kernel distance", "Like the Fréchet distance, for no Gaussians; real images get 0."),
    "class_divergence": Figure(
        "Class divergence", "How far the classes are from equally frequent, in nats; 0: they are, 2.30: one class only."
    ),
    "training_distance_ratio": Figure(
        "Distance to the training set",
        "From a fake to its nearest training image, as a multiple of an unseen real image's.",
    ),
    "training_distance": Figure("Distance to the training set, absolute", "The median, in pixels' scale from 0 to 1."),
    "nearer_to_training": Figure(
        "Nearer to the training set", "How often a fake is nearer to it than an unseen real image; 0.5 is ideal."
    ),
    "near_copies": Figure("Near copies", "Share of fakes nearer to a training image than 99% of real ones.", "share"),
    "memorisation_passed": Figure("Memorisation passed", "1: the fakes are no copies of training images; 0: some are."),
    "test_images": Figure("Test images", "How many real ones, and as many fakes, the figures are from.", "count"),
}


@dataclass(frozen=True)
class ToldFigure:
    """A measured figure, ready to be shown: `value` and `floor` are texts; `floor` is empty where there is none."""

    key: str
    label: str
    meaning: str
    value: str
    floor: str
    headline: bool


def tell_figures(quality: Mapping[str, float]) -> list[ToldFigure]:
    """All figures in the order of `FIGURES`, then those that it does not know, each beside its floor."""
    names = [name for name in FIGURES if name in quality] + [name for name in quality if name not in FIGURES]
    floors = {name: FIGURES[name].floor or name + FLOOR if name in FIGURES else name + FLOOR for name in names}
    told = []
    for name in names:
        if name in floors.values():
            continue
        figure = FIGURES.get(name, Figure(name.replace("_", " "), ""))
        floor = quality.get(floors[name])
        told.append(
            ToldFigure(
                name,
                figure.label,
                figure.meaning,
                write_value(quality[name], figure.unit),
                "" if floor is None else write_value(floor, figure.unit),
                figure.headline,
            )
        )
    return told


def tell_headlines(quality: Mapping[str, float]) -> str:
    """The figures that are shown first, in a line."""
    told = [f"{figure.label} {figure.value}" for figure in tell_figures(quality) if figure.headline]
    return ", ".join(told)


def write_duration(seconds: float) -> str:
    """A time as text, in the two largest units."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def write_value(value: float, unit: str = "number") -> str:
    """A value as text, with as many places as mean something."""
    if unit == "count":
        return f"{value:,.0f}"
    if unit == "share":
        return f"{value:.1%}"
    if unit == "multiple":
        return f"{value:,.0f} × floor" if value >= 9.95 else f"{value:.2g} × floor"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
