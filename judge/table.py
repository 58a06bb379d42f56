"""The table of an evaluation: each figure beside its floor, and whether it reaches its goal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEADER = ("figure", "value", "real digits", "against them", "goal", "met")
AGAINST = {"ratio": "{:.2f} x", "difference": "{:+.4f}"}


@dataclass(frozen=True)
class Figure:
    """A row of the table.

    Attributes:
        key: The figure's name.
        label: What the table calls it.
        against: How it is set against its floor: `ratio`, `difference`, or not at all.
        at_most, at_least: The goal, for what `against` gives, or without it for the value.
        floor: The floor's name or, where it is a constant, the floor; without it, the figure's name and `_floor`.
        shown: How the value is written.
    """

    key: str
    label: str
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None
    floor: str | float | None = None
    shown: str = "{:.4f}"


FIGURES = (
    Figure("frechet_distance", "Fréchet distance", "ratio", at_most=1.2, floor="frechet_floor"),
    Figure("kernel_distance", "kernel distance", "difference", at_most=0.001, shown="{:.5f}"),
    Figure("precision", "precision", "difference", at_least=-0.03),
    Figure("recall", "recall", "difference", at_least=-0.03),
    Figure("density", "density", "difference", at_least=-0.1),
    Figure("coverage", "coverage", "difference", at_least=-0.05),
    Figure("recognised_as_asked", "recognised as asked", at_least=0.997),
    Figure("class_divergence", "classes: divergence from uniform", "difference", at_most=0.005, shown="{:.5f}"),
    Figure("training_distance", "distance to the training set, median", "ratio", shown="{:.3f}"),
    Figure("nearer_to_training", "nearer to it than real digits", "difference", at_most=0.1, floor=0.5),
    Figure("near_copies", "among the nearest 1% of real digits", "difference", at_most=0.02, floor=0.01),
    Figure("tstr_accuracy", "trained on synthetic, tested on real", at_least=0.99),
    Figure("auroc", "detector: AUROC", at_least=0.999),
    Figure("calibration_error", "detector: calibration error", at_most=0.01),
    Figure("real_called_fake", "detector: real digits called fake", at_most=0.01),
    Figure("fakes_called_fake", "detector: its generator's digits called fake"),
    Figure("class_accuracy", "detector: real digits whose class it tells", at_least=0.98),
    Figure("sent_auroc", "detector: AUROC, both sent as picture files", at_least=0.98),
    Figure("sent_fakes_called_fake", "detector: its generator's digits sent as files, called fake"),
    Figure("enlarged_auroc", "detector: AUROC, both sent enlarged", at_least=0.98),
    Figure("enlarged_fakes_called_fake", "detector: its generator's digits sent enlarged, called fake"),
    Figure("sent_called_real", "detector: real digits sent as picture files, called real", at_least=0.97),
    Figure("enlarged_called_real", "detector: real digits sent enlarged, called real", at_least=0.97),
    Figure("jpeg_called_real", "detector: real digits saved as JPEG, called real", at_least=0.97),
    Figure("resized_called_real", "detector: real digits scaled and back, called real", at_least=0.97),
    Figure("blurred_called_real", "detector: real digits blurred, called real", at_least=0.97),
    Figure("warped_called_real", "detector: real digits turned and stretched, called real", at_least=0.97),
    Figure("noise_called_real", "detector: noise called real", at_most=0),
    Figure("blank_called_real", "detector: blank images called real", at_most=0),
    Figure("inverted_called_real", "detector: inverted digits called real", at_most=0),
    Figure("several_called_real", "detector: several digits in an image called real", at_most=0.1),
    Figure("letters_called_real", "detector: letters called real", at_most=0.02),
    Figure("greek_called_real", "detector: Greek letters drawn with a pen, called real", at_most=0.15),
    Figure("doodles_called_real", "detector: doodles called real", at_most=0.03),
    Figure("qmnist_called_real", "detector: QMNIST's other digits called real", at_least=0.95),
    Figure("emnist_digits_called_real", "detector: EMNIST's digits called real", at_least=0.95),
    Figure("kmnist_called_real", "detector: Japanese characters (KMNIST) called real"),
    Figure("fashion_mnist_called_real", "detector: clothing (Fashion-MNIST) called real", at_most=0.02),
)


def floor_of(figure: Figure, figures: Mapping[str, float]) -> float | None:
    """What other real digits get, or None where that is not known."""
    if isinstance(figure.floor, float):
        return figure.floor
    return figures.get(figure.floor or f"{figure.key}_floor")


def against_floor(figure: Figure, figures: Mapping[str, float]) -> float | None:
    """The figure by its floor or minus its floor, or None without one."""
    floor = floor_of(figure, figures)
    if floor is None or not figure.against:
        return None
    value = figures[figure.key]
    return value / floor if figure.against == "ratio" else value - floor


def goal_met(figure: Figure, figures: Mapping[str, float]) -> bool | None:
    """Whether the figure reaches its goal, or None where it has none or cannot be set against its floor."""
    value = against_floor(figure, figures) if figure.against else figures[figure.key]
    if value is None or (figure.at_most is None and figure.at_least is None):
        return None
    # NaN reaches no goal.
    return (figure.at_most is None or value <= figure.at_most) and (figure.at_least is None or value >= figure.at_least)


def goals(figures: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """By the figure's name, its goal and whether it is met; only of those that have one."""
    found = {}
    for figure in FIGURES:
        if figure.key in figures and (met := goal_met(figure, figures)) is not None:
            limits = {"at_most": figure.at_most, "at_least": figure.at_least}
            given = {name: limit for name, limit in limits.items() if limit is not None}
            found[figure.key] = {"of": figure.against or "value", **given, "met": met}
    return found


def rows(figures: Mapping[str, float]) -> list[tuple[str, ...]]:
    """The table's cells, a row for each figure that was measured, and the verdict on memorisation at the end."""
    cells: list[tuple[str, ...]] = []
    for figure in FIGURES:
        if figure.key not in figures:
            continue
        floor, against = floor_of(figure, figures), against_floor(figure, figures)
        met = goal_met(figure, figures)
        cells.append(
            (
                figure.label,
                figure.shown.format(figures[figure.key]),
                "" if floor is None else figure.shown.format(floor),
                "" if against is None else AGAINST[figure.against].format(against),
                _goal(figure) if met is not None else "",
                {True: "yes", False: "no", None: ""}[met],
            )
        )
    if "memorisation_passed" in figures:
        passed = bool(figures["memorisation_passed"])
        cells.append(("memorises no training images", "passed" if passed else "FAILED", "", "", "", ""))
    return cells


def _goal(figure: Figure) -> str:
    limit = figure.at_most if figure.at_most is not None else figure.at_least
    sign = "≤" if figure.at_most is not None else "≥"
    form = {"ratio": "{:g} x", "difference": "{:+g}", "": "{:g}"}[figure.against]
    return f"{sign} {form.format(limit)}"
