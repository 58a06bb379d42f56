"""The plots of a run, from its metrics: the losses, the balance of the pair, and the quality of the digits."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window: the trainer may run anywhere
from matplotlib import pyplot as plt

from digitforge.machine.whole_file import naming, whole_file
from training.charts import CHARTS
from training.metrics_file import read_metrics

NAMES = ("losses", "balance", "quality")  # the report has the others too


def draw_plots(metrics: Path, folder: Path) -> None:
    """Draw every curve of which `metrics` (JSON lines, each with `images`) has values, as PNG files in `folder`."""
    curves = read_metrics(metrics).curves
    with naming(folder):
        folder.mkdir(exist_ok=True)
    for chart in CHARTS:
        series = [one for one in chart.series if one.key in curves]
        if chart.name not in NAMES or not series:
            continue
        figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
        for one in series:
            curve = curves[one.key]
            axes.plot(curve.images, curve.values, label=one.label, linewidth=1)
        axes.set(title=chart.title, xlabel="real images seen")
        if chart.log:
            axes.set_yscale("log")
        if chart.limits is not None:
            axes.set_ylim(*chart.limits)
        if chart.line is not None:
            axes.axhline(chart.line[0], color="grey", linewidth=0.5)
        axes.grid(alpha=0.3)
        axes.legend()
        with whole_file(folder / f"{chart.name}.png") as file:
            figure.savefig(file, dpi=100)
        plt.close(figure)
