"""A chart as inline SVG: text stays text, colours come from the page, values are there to be read under the pointer."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from training.charts import Chart, Series
from training.figures import write_value
from training.metrics_file import Curve, Metrics

# In the units of the SVG's own grid. Small beside its letters, so that these can still be read on a phone.
WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 50, 470, 12, 192
MOST_POINTS = 200  # of a curve; more are averaged


@dataclass(frozen=True)
class Reading:
    """An entry of a chart's legend: a curve and its last value."""

    label: str
    side: str
    value: str


@dataclass(frozen=True)
class DrawnChart:
    """A chart ready for the page; `line` says in a few words what its dashed line is."""

    chart: Chart
    svg: Markup
    readings: list[Reading]
    line: str


@dataclass(frozen=True)
class _Thinned:
    """A curve of at most `MOST_POINTS` means, with the lowest and highest value that each stands for."""

    images: list[float]
    values: list[float]
    lowest: list[float]
    highest: list[float]


@dataclass(frozen=True)
class _Axes:
    """From images and values to the SVG's grid."""

    images: int
    low: float
    high: float
    log: bool

    def x(self, images: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(images / self.images, 1)

    def y(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(max(value, low)), math.log10(low), math.log10(high)
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)


def draw_chart(chart: Chart, metrics: Metrics, best_images: int | None = None) -> DrawnChart | None:
    """Draw the curves of which there are readings; None where there are none at all.

    Args:
        chart: What to draw.
        metrics: The readings.
        best_images: When the best snapshot was taken.
    """
    drawn = [
        (series, _thin(curve))
        for series in chart.series
        if (curve := _drawable(metrics.curves.get(series.key), chart.log)) is not None
    ]
    if not drawn:
        return None
    axes = _axes(chart, [curve for _, curve in drawn], metrics.images_seen)
    parts = [_spans(metrics, axes)] if chart.shows_imbalances else []
    parts += [_grid(chart, axes), _events(metrics, axes)]
    parts += [_series(series, curve, axes) for series, curve in drawn]
    if chart.marks_best and best_images is not None:
        parts.append(_best(metrics.curves[drawn[0][0].key], best_images, chart, axes))
    svg = Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" tabindex="0" aria-label="{}" data-share="{}">{}'
        '<line class="cursor" y1="{}" y2="{}" x1="0" x2="0" visibility="hidden"/></svg>'
    ).format(WIDTH, HEIGHT, chart.title, int(chart.share), Markup("").join(parts), TOP, BOTTOM)
    readings = [Reading(series.label, series.side, _value(chart, curve.values[-1])) for series, curve in drawn]
    line = f"{chart.line[1]} {_value(chart, chart.line[0])}" if chart.line is not None else ""
    return DrawnChart(chart, svg, readings, line)


def _drawable(curve: Curve | None, log: bool) -> Curve | None:
    """What of a curve its axis can show."""
    if curve is None or not log:
        return curve
    points = [(images, value) for images, value in zip(curve.images, curve.values, strict=True) if value > 0]
    return Curve(*zip(*points, strict=True)) if points else None


def _thin(curve: Curve) -> _Thinned:
    size = math.ceil(len(curve.values) / MOST_POINTS)
    starts = range(0, len(curve.values), size)
    images = [curve.images[start : start + size] for start in starts]
    values = [curve.values[start : start + size] for start in starts]
    return _Thinned(
        [sum(part) / len(part) for part in images],
        [sum(part) / len(part) for part in values],
        [min(part) for part in values],
        [max(part) for part in values],
    )


def _axes(chart: Chart, curves: list[_Thinned], images: int) -> _Axes:
    low, high = min(min(curve.lowest) for curve in curves), max(max(curve.highest) for curve in curves)
    if chart.limits is not None:
        low, high = chart.limits
    else:
        if chart.line is not None:
            low, high = min(low, chart.line[0]), max(high, chart.line[0])
        if chart.log:
            low, high = low / 1.3, high * 1.3
        else:
            low, high = min(low * 1.05, 0), max(high * 1.05, 0)
            high = high if high > low else low + 1
    return _Axes(max(images, 1), low, high, chart.log)


def _grid(chart: Chart, axes: _Axes) -> Markup:
    parts = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(LEFT, RIGHT, y=axes.y(value))
        + _text(LEFT - 6, axes.y(value) + 4, _value(chart, value), "end")
        for value in _ticks(axes)
    ]
    for images in _round_steps(0, axes.images, 4):
        anchor = "end" if axes.x(images) > RIGHT - 20 else "middle"
        parts.append(_text(axes.x(images), BOTTOM + 18, short_count(images), anchor))
    if chart.line is not None:
        y = axes.y(chart.line[0])
        parts.append(Markup('<line class="mark" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>').format(LEFT, RIGHT, y=y))
    return Markup("").join(parts)


def _spans(metrics: Metrics, axes: _Axes) -> Markup:
    return Markup("").join(
        Markup('<rect class="span {}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
            span.kind, axes.x(span.start), TOP, max(axes.x(span.end) - axes.x(span.start), 2), BOTTOM - TOP
        )
        for span in metrics.imbalances()
    )


def _events(metrics: Metrics, axes: _Axes) -> Markup:
    return Markup("").join(
        Markup('<path class="event {}" d="M{x:.1f} {y}l-4-7h8z"><title>{}: {}</title></path>').format(
            event.kind, f"{event.images:,} images", event.text, x=axes.x(event.images), y=TOP
        )
        for event in metrics.events
    )


def _series(series: Series, curve: _Thinned, axes: _Axes) -> Markup:
    means = _points(curve.images, curve.values, axes)
    data = Markup("data-label=\"{}\" data-images='{}' data-values='{}'").format(
        series.label,
        Markup(json.dumps([round(images) for images in curve.images], separators=(",", ":"))),
        Markup(json.dumps([float(f"{value:.4g}") for value in curve.values], separators=(",", ":"))),
    )
    if len(curve.values) == 1:
        x, y = axes.x(curve.images[0]), axes.y(curve.values[0])
        return Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="3" {}/>').format(series.side, x, y, data)
    band = Markup("")
    if curve.lowest != curve.highest:
        outline = (
            _points(curve.images, curve.highest, axes) + " " + _points(curve.images[::-1], curve.lowest[::-1], axes)
        )
        band = Markup('<polygon class="band {}" points="{}"/>').format(series.side, outline)
    return band + Markup('<polyline class="curve {}" points="{}" {}/>').format(series.side, means, data)


def _best(curve: Curve, best_images: int, chart: Chart, axes: _Axes) -> Markup:
    index = min(range(len(curve.images)), key=lambda index: abs(curve.images[index] - best_images))
    x, y = axes.x(curve.images[index]), axes.y(curve.values[index])
    label = f"best: {_value(chart, curve.values[index])}"
    return Markup('<circle class="best" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x, y) + _text(
        x, y - 10 if y > TOP + 24 else y + 20, label, "end" if x > (LEFT + RIGHT) / 2 else "start"
    )


def _points(images: list[float], values: list[float], axes: _Axes) -> str:
    return " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in zip(images, values, strict=True))


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _value(chart: Chart, value: float) -> str:
    return f"{100 * value:.3g}%" if chart.share else write_value(value)


def _ticks(axes: _Axes) -> Iterable[float]:
    if not axes.log:
        return _round_steps(axes.low, axes.high, 4)
    decades = range(math.floor(math.log10(axes.low)), math.ceil(math.log10(axes.high)) + 1)
    span = math.log10(axes.high / axes.low)
    every = max(1, len(decades) // 5)
    factors = (1,) if span > 2 else (1, 2, 5) if span > 1 else (1, 1.5, 2, 3, 5, 7)
    ticks = [factor * 10.0**decade for decade in decades[::every] for factor in factors]
    return [tick for tick in ticks if axes.low <= tick <= axes.high]


def _round_steps(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` steps apart: 1, 2, 2.5 or 5 times a power of ten."""
    least = (high - low) / most
    power = 10 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def short_count(count: float) -> str:
    """Such as 0, 500, 20k, 1.5M."""
    for size, suffix in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.4g}{suffix}"
    return f"{count:.4g}"
