"""The report of a run: report.html in its folder, one file that needs nothing else.

It has the digits, how they came to be, the curves, what the trainer saw and did, and the config. It is written at the
end, and at milestones for those who cannot wait; whatever is not there yet is left out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from digitforge.machine.whole_file import write_whole
from training.chart_svg import DrawnChart, draw_chart
from training.charts import CHARTS
from training.checkpoint import Checkpoint
from training.config import LENGTHS, PRESETS, TrainingConfig
from training.figures import ToldFigure, tell_figures, write_duration
from training.film import film, whole_picture
from training.metrics_file import Metrics, read_metrics
from training.run_folder import METRICS

REPORT = "report.html"
# Made once: it keeps the compiled templates, and a run writes a report at every milestone.
PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
MILESTONE_FIGURES = ("frechet_ratio", "frechet_distance", "frechet_floor", "recognised_as_asked")


@dataclass(frozen=True)
class Setting:
    """A field of the config; `preset` is the preset's value where this one differs, else None."""

    name: str
    value: str
    preset: str | None
    description: str


def write_report(run: Checkpoint, path: Path, epoch_images: int | None = None) -> Path:
    """Write the report of a run, finished or not, and return its path. It is complete as soon as it has its name.

    Args:
        run: The run.
        path: Its folder, with metrics.jsonl and sheets/ as far as they are there.
        epoch_images: Images in the training set; without it, milestones that are epochs are counted as such.
    """
    metrics = read_metrics(path / METRICS)
    page = render_report(run, path, metrics, epoch_images)
    report = path / REPORT
    write_whole(report, page)
    return report


def render_report(run: Checkpoint, path: Path, metrics: Metrics, epoch_images: int | None = None) -> str:
    """The report as HTML."""
    sheets = path / "sheets"
    frames = film(run, sheets, metrics, epoch_images)
    final = whole_picture(sheets / "final.png")
    figures, measured_on = _figures(run, metrics)
    best_images = run.best["images_seen"] if run.best else None
    return PAGES.get_template("report.html").render(
        run=run,
        facts=_facts(run),
        figures=figures,
        measured_on=measured_on,
        best_images=best_images,
        sheet=final or (frames[-1].source if frames else None),
        sheet_is_final=final is not None,
        frames=frames,
        real=whole_picture(sheets / "real.png"),
        charts=_charts(metrics, best_images),
        events=metrics.events,
        imbalances=sorted({span.kind for span in metrics.imbalances()}),
        settings=settings(run.config),
    )


def _facts(run: Checkpoint) -> list[tuple[str, str]]:
    config = run.config
    unit = next(name for name in LENGTHS if getattr(config, name) is not None)
    return [
        ("Run", run.run_id),
        ("Preset", config.preset),
        ("Data set", run.dataset),
        ("Length", f"{getattr(config, unit):,} {unit}"),
        ("Images seen", f"{run.images_seen:,}"),
        ("GAN trained in", f"{write_duration(run.elapsed_s)}{_speed(run)}"),
        ("Source", run.source_commit),
    ]


def _speed(run: Checkpoint) -> str:
    return f", {run.images_seen / run.elapsed_s:,.0f} images/s" if run.elapsed_s > 0 and run.images_seen else ""


def _figures(run: Checkpoint, metrics: Metrics) -> tuple[list[ToldFigure], str]:
    """The figures, and what they were measured on: at the end the test set, before that the last milestone."""
    if run.quality:
        return tell_figures(run.quality), "the test set, which no decision of the run has seen"
    last = {name: value for name in MILESTONE_FIGURES if (value := metrics.last(name)) is not None}
    if not last:
        return [], ""
    images = metrics.curves[next(iter(last))].images[-1]
    return tell_figures(last), f"held-out images, at the milestone after {images:,} images"


def _charts(metrics: Metrics, best_images: int | None) -> list[DrawnChart]:
    drawn = [draw_chart(chart, metrics, best_images) for chart in CHARTS]
    return [chart for chart in drawn if chart is not None]


def settings(config: TrainingConfig) -> list[Setting]:
    """Every field of a config, beside the preset that it began as."""
    preset = PRESETS.get(config.preset)
    listed = []
    for name, field in TrainingConfig.model_fields.items():
        value = getattr(config, name)
        planned = getattr(preset, name) if preset else value
        # What `auto` turned out to be is nobody's choice, nor are the classes of a data set.
        same = value == planned or name == "class_names" or (name == "dataset" and planned == "auto")
        listed.append(Setting(name, _write(value), None if same else _write(planned), field.description or ""))
    return listed


def _write(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
