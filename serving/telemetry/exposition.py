"""What a store holds, in Prometheus' text format."""

import re
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from serving.telemetry.store import Family, Store

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
TOTAL = "_total"
# The library gives every counter that suffix, and Triton's have none: they go through it as of no kind.
UNTYPED_COUNTER = re.compile(rb"^(# TYPE nv_\w+) untyped$", re.MULTILINE)


class Exposition:
    """Writes a store's text.

    Args:
        store: What to read; its writers go on meanwhile.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All series that have appeared, as they are now."""
        return UNTYPED_COUNTER.sub(rb"\1 counter", generate_latest(self._registry))

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks its collectors."""
        for family in self._store.families:
            yield _metric(family, self._store.sums(family))

    def describe(self) -> list[Metric]:
        """Nothing: the registry need not look for names that others have."""
        return []


def _metric(family: Family, sums: dict[tuple[str, ...], list[float]]) -> Metric:
    if family.kind == "gauge":
        gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
        for labels, (value,) in sums.items():
            gauge.add_metric(labels, value)
        return gauge
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, numbers in sums.items():
            histogram.add_metric(labels, _cumulative(family.bounds, numbers), numbers[-1])
        return histogram
    is_total = family.name.endswith(TOTAL)
    counter = Metric(family.name.removesuffix(TOTAL), family.help, "counter" if is_total else "unknown")
    for labels, (value,) in sums.items():
        counter.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)
    return counter


def _cumulative(bounds: tuple[float, ...], numbers: list[float]) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: how many values are at most so large."""
    buckets, count = [], 0.0
    for bound, number in zip((*map(str, bounds), "+Inf"), numbers, strict=False):  # the sum comes after them
        count += number
        buckets.append((bound, count))
    return buckets
