"""The picture of a bench: requests a second by connections, a line for each server."""

from pathlib import Path
from typing import Any


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """One panel for each number of images in a request, saved as an SVG or PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    closed = [result for result in results if result.get("rate") is None and result["call"] == "Generate"]
    sizes = sorted({result["n"] for result in closed})
    figure, panels = pyplot.subplots(1, len(sizes), figsize=(4.5 * len(sizes), 4), squeeze=False)
    for panel, n in zip(panels[0], sizes, strict=True):
        names = list(dict.fromkeys(result["server"] for result in closed if result["n"] == n))
        for name in names:
            points = [result for result in closed if result["n"] == n and result["server"] == name]
            panel.plot(
                [point["connections"] for point in points],
                [point["req_per_s"] * n for point in points],
                marker="o",
                linewidth=2.5 if name == "digitforge" else 1.2,
                label=name,
            )
        panel.set(xscale="log", title=f"{n} images in a request", xlabel="connections", ylabel="images/s")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
    panels[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
