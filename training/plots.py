"""The plots of a run, from its metrics: the losses, the balance of the pair, and the quality of the digits."""

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window: the trainer may run anywhere
from matplotlib import pyplot as plt

CURVES = {
    "losses.png": ("loss", ("d_loss", "g_loss")),
    "balance.png": ("mean probability that D gives to be real", ("d_real", "d_fake")),
    "quality.png": ("Fréchet distance / real-against-real floor", ("frechet_ratio",)),
}


def draw_plots(metrics: Path, folder: Path) -> None:
    """Draw every curve of which `metrics` (JSON lines, each with `images`) has values, as PNG files in `folder`."""
    entries = [json.loads(line) for line in metrics.read_text().splitlines()]
    folder.mkdir(exist_ok=True)
    for name, (label, keys) in CURVES.items():
        points = {key: [(entry["images"], entry[key]) for entry in entries if key in entry] for key in keys}
        if not any(points.values()):
            continue
        figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
        for key, values in points.items():
            axes.plot(*zip(*values, strict=True), label=key, linewidth=1)
        axes.set(xlabel="real images seen", ylabel=label)
        if name == "quality.png":
            axes.set_yscale("log")
        if name == "balance.png":
            axes.set_ylim(0, 1)
            axes.axhline(0.5, color="grey", linewidth=0.5)
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(folder / name, dpi=100)
        plt.close(figure)
