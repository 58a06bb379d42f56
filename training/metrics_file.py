"""A run's metrics.jsonl, read into curves and events.

Each line is a JSON object with `images`, the clock, and either readings by name or an event: its kind in `event`, and
in `text` what was seen and done. What is no such line is passed over: a killed run may have been writing its last one.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Kinds of events that begin an imbalance, which lasts until another of them begins or one of the endings comes.
IMBALANCES = ("discriminator_too_strong", "generator_too_strong", "mode_collapse", "divergence")
ENDINGS = ("balanced", "recovered")


@dataclass(frozen=True)
class Curve:
    """Readings of one name, in the order of the clock: `values[i]`, finite, was read after `images[i]` images."""

    images: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Event:
    """What the trainer saw or did after so many images."""

    images: int
    kind: str
    text: str


@dataclass(frozen=True)
class Span:
    """A part of the run in which the pair was out of balance, in images."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Metrics:
    """All that a run has written down of itself."""

    curves: dict[str, Curve] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @property
    def images_seen(self) -> int:
        """The last moment that anything was written of."""
        ends = [curve.images[-1] for curve in self.curves.values()] + [event.images for event in self.events]
        return max(ends, default=0)

    def last(self, name: str) -> float | None:
        """The last reading of a name."""
        return self.curves[name].values[-1] if name in self.curves else None

    def imbalances(self) -> list[Span]:
        """From each event that begins an imbalance to the next that ends it, or to the end of the run."""
        spans: list[Span] = []
        begun: Event | None = None
        for event in self.events:
            if event.kind not in IMBALANCES + ENDINGS or (begun is not None and event.kind == begun.kind):
                continue
            if begun is not None:
                spans.append(Span(begun.images, event.images, begun.kind))
            begun = event if event.kind in IMBALANCES else None
        return spans if begun is None else [*spans, Span(begun.images, self.images_seen, begun.kind)]


def read_metrics(path: Path) -> Metrics:
    """Read a file of metrics; where there is none, there are none."""
    readings: dict[str, dict[int, float]] = {}
    events = []
    for entry in _entries(path):
        images = entry["images"]
        if "event" in entry:
            events.append(Event(images, str(entry["event"]), str(entry.get("text", ""))))
        for name, value in entry.items():
            if name != "images" and _is_finite_number(value):
                readings.setdefault(name, {})[images] = float(value)  # a part run again is told by its last run
    curves = {name: Curve(*zip(*sorted(points.items()), strict=True)) for name, points in readings.items()}
    return Metrics(curves, tuple(sorted(events, key=lambda event: event.images)))


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("images"), int):
            yield entry


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
