"""What the runs with injected faults say together: medians against the undisturbed runs, tables, a plot."""

import math
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

GOAL = 1.25  # the distance with a fault, by the undisturbed one, that the default preset is to stay within
UNDISTURBED = "none"

Result = dict[str, Any]
Table = tuple[list[str], list[list[str]]]


def distance(result: Result) -> float:
    """A run's Fréchet distance; a diverged one is infinitely far."""
    return math.inf if result["distance"] is None else float(result["distance"])


def summarise(results: list[Result]) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """By preset and fault: `relative` (median, by the undisturbed median), `min`, `max`, `ratio`, `runs`, `diverged`.

    `relative`, `min` and `max` are None while the preset has no undisturbed run. What is infinite is None as well:
    JSON knows no infinity.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result["preset"], result["fault"]), []).append(result)
    summary: dict[str, dict[str, dict[str, float | int | None]]] = {}
    for (preset, fault), members in groups.items():
        undisturbed = groups.get((preset, UNDISTURBED))
        unit = statistics.median(map(distance, undisturbed)) if undisturbed else math.nan
        distances = [distance(member) / unit for member in members]
        ratios = [math.inf if member["ratio"] is None else member["ratio"] for member in members]
        summary.setdefault(preset, {})[fault] = {
            "relative": finite(statistics.median(distances)),
            "min": finite(min(distances)),
            "max": finite(max(distances)),
            "ratio": finite(statistics.median(ratios)),
            "runs": len(members),
            "diverged": sum(member["diverged"] for member in members),
        }
    return summary


def finite(value: float) -> float | None:
    """The value, or None for what JSON cannot say."""
    return value if math.isfinite(value) else None


def faults_table(summary: dict[str, dict[str, Any]], faults: list[str], presets: list[str]) -> Table:
    """A row for each fault, three columns for each preset: relative, least and most, multiples of the floor."""
    shown = [preset for preset in presets if preset in summary]
    header = ["fault"]
    for preset in shown:
        header += [preset, "(min to max)", "by the floor"]
    rows = []
    for fault in faults:
        if any(fault in summary[preset] for preset in shown):
            rows.append([fault, *(cell for preset in shown for cell in cells(summary[preset].get(fault)))])
    return header, rows


def cells(group: dict[str, Any] | None) -> list[str]:
    """A preset's three cells in a fault's row."""
    if group is None:
        return ["", "", ""]

    def figure(name: str, digits: int) -> str:
        unknown = "∞" if group["diverged"] else "–"
        return unknown if group[name] is None else f"{group[name]:.{digits}f}"

    diverged = f", {group['diverged']} of {group['runs']} diverged" if group["diverged"] else ""
    return [figure("relative", 2), f"({figure('min', 2)} to {figure('max', 2)}{diverged})", figure("ratio", 1)]


def events_table(results: list[Result]) -> Table:
    """What the trainer said by itself, a row for each preset and fault: its events, counted, and how runs failed."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result["preset"], result["fault"]), []).append(result)
    rows = []
    for (preset, fault), members in sorted(groups.items()):
        events = Counter(str(event["event"]) for member in members for event in member["events"])
        said = ", ".join(f"{count} × {name}" for name, count in events.most_common())
        failures = "; ".join(sorted({member["message"] for member in members if member["diverged"]}))
        images = statistics.median(member["images"] for member in members)
        rows.append([preset, fault, f"{images:,.0f}", said or "nothing", failures or "none"])
    return ["preset", "fault", "images", "events", "failures"], rows


def draw(results: list[Result], summary: dict[str, dict[str, Any]], faults: list[str], path: Path) -> None:
    """Every run a point: its distance by the undisturbed median of its preset, on a logarithmic axis."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    presets = list(summary)
    for number, preset in enumerate(presets):
        unit = statistics.median(
            [distance(result) for result in results if (result["preset"], result["fault"]) == (preset, UNDISTURBED)]
            or [math.nan]
        )
        points = [
            (faults.index(result["fault"]) + 0.25 * (number - (len(presets) - 1) / 2), distance(result) / unit)
            for result in results
            if result["preset"] == preset and not result["diverged"]
        ]
        if points:
            axes.scatter(*zip(*points, strict=True), label=preset, alpha=0.8)
    axes.axhline(GOAL, color="grey", linestyle="--", linewidth=1, label=f"goal: {GOAL:g}")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xticks(range(len(faults)), faults)
    axes.set_ylabel("Fréchet distance / undisturbed")
    axes.legend()
    figure.savefig(path, dpi=120)
