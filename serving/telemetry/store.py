"""Counters, gauges and histograms of several processes, in memory that they share.

The parent makes the memory before it forks. It is divided into slots, each with one writer at a time, so nothing is
ever locked; a reader adds the slots up. What a slot holds outlives its writer, and the next one counts on from there.
Every family of metrics has its place in a slot and room for so many series, which are allotted as they first appear;
what comes when it is full counts as `other`. So nothing grows.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

OTHER = "other"
PAGE = 4096  # slots begin on pages of their own: two writers never share a cache line
KEY_BYTES = 128  # of a series' label values: one byte that says how many there are, and they
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Family:
    """A metric under all its labels.

    Attributes:
        name: As it is exposed, with the suffix of its kind.
        kind: A counter never falls; a gauge is zeroed when its writer has gone.
        help: For a person.
        labels: Names of the labels.
        bounds: Of a histogram's buckets, ascending, the last one (infinity) left out. A value on a bound is below it.
        max_series: Sets of label values in a slot, `other` not counted.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    max_series: int = 64

    @property
    def rows(self) -> int:
        """Series that there is room for; the last one is `other`."""
        return self.max_series + 1 if self.labels else 1

    @property
    def width(self) -> int:
        """Numbers of a series: a histogram's buckets and their sum, else one."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


class Value:
    """A counter or gauge of a slot."""

    __slots__ = ("_place", "_values")

    def __init__(self, values: "memoryview[float]", place: int) -> None:
        self._values, self._place = values, place

    def add(self, amount: float = 1.0) -> None:
        """Count so many more; of a gauge, it may be fewer."""
        # An item of a view is written at once, by one store of 8 bytes: a reader never sees half of it.
        self._values[self._place] += amount

    def set(self, value: float) -> None:
        """Say what a gauge is at."""
        self._values[self._place] = value


class Histogram:
    """A histogram of a slot."""

    __slots__ = ("_bounds", "_place", "_sum", "_values")

    def __init__(self, values: "memoryview[float]", place: int, bounds: tuple[float, ...]) -> None:
        self._values, self._place, self._bounds = values, place, bounds
        self._sum = place + len(bounds) + 1

    def observe(self, value: float) -> None:
        """Count a value in."""
        values = self._values
        values[self._place + bisect_left(self._bounds, value)] += 1.0
        values[self._sum] += value


class Store:
    """The shared memory. Make it before processes are forked that are to share it.

    Args:
        families: All that may ever be counted; no two of one name.
        slots: How many writers there may be at a time.
    """

    def __init__(self, families: Sequence[Family], slots: int) -> None:
        self.families = tuple(families)
        self.slots = slots
        self._keys_at: dict[Family, int] = {}  # bytes from the slot's beginning
        self._values_at: dict[Family, int] = {}
        size = 0
        for family in self.families:
            self._keys_at[family] = size
            size += family.rows * KEY_BYTES
            self._values_at[family] = size
            size += family.rows * family.width * 8
        self._slot_size = -(-size // PAGE) * PAGE
        # Memory that is never touched is never there.
        self._bytes = memoryview(mmap.mmap(-1, self._slot_size * slots))
        self._values: memoryview[float] = self._bytes.cast("d")

    def slot(self, number: int) -> "Slot":
        """A slot to write to; the caller is its only writer from now on."""
        return Slot(self, number)

    def clear_gauges(self, number: int) -> None:
        """Zero the gauges of a slot whose writer has gone."""
        for family in self.families:
            if family.kind == "gauge":
                for row in range(family.rows):
                    self._values[self._place(family, number, row)] = 0.0

    def sums(self, family: Family) -> dict[tuple[str, ...], list[float]]:
        """The numbers of every series that has appeared, added up over the slots, by their label values."""
        sums: dict[tuple[str, ...], list[float]] = {}
        for number in range(self.slots):
            for row, labels in self._series(family, number):
                place = self._place(family, number, row)
                values = list(self._values[place : place + family.width])
                if (before := sums.get(labels)) is not None:
                    values = [one + other for one, other in zip(before, values, strict=True)]
                sums[labels] = values
        return sums

    def _place(self, family: Family, number: int, row: int) -> int:
        """Where a series' numbers begin among the values."""
        return (number * self._slot_size + self._values_at[family]) // 8 + row * family.width

    def _key_at(self, family: Family, number: int, row: int) -> int:
        return number * self._slot_size + self._keys_at[family] + row * KEY_BYTES

    def _series(self, family: Family, number: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        """A slot's series of a family: their rows and label values."""
        for row in range(family.rows):
            start = self._key_at(family, number, row)
            if length := self._bytes[start]:
                key = bytes(self._bytes[start + 1 : start + length]).decode()
                yield row, tuple(key.split(SEPARATOR)) if family.labels else ()


class Slot:
    """The part of the memory that one process writes to.

    What its last writer counted is counted on, and its gauges begin at zero.
    """

    def __init__(self, store: Store, number: int) -> None:
        self._store, self._number = store, number
        self._rows = {
            family: {labels: row for row, labels in store._series(family, number)} for family in store.families
        }
        store.clear_gauges(number)

    @property
    def values(self) -> "memoryview[float]":
        """The numbers of all slots; this one's writer writes to the places that it has asked for."""
        return self._store._values

    def place(self, family: Family, *labels: str) -> int:
        """Where the numbers of a series begin among the values: for what is counted in every call."""
        return self._store._place(family, self._number, self._row(family, labels))

    def value(self, family: Family, *labels: str) -> Value:
        """A counter or gauge, of these label values."""
        return Value(self.values, self.place(family, *labels))

    def histogram(self, family: Family, *labels: str) -> Histogram:
        """A histogram, of these label values."""
        return Histogram(self.values, self.place(family, *labels), family.bounds)

    def _row(self, family: Family, labels: tuple[str, ...]) -> int:
        if len(labels) != len(family.labels):
            raise ValueError(f"{family.name} has the labels {family.labels}, and was given the values {labels}")
        rows = self._rows[family]
        if (row := rows.get(labels)) is not None:
            return row
        key = SEPARATOR.join(labels).encode()
        other = (OTHER,) * len(labels)
        if labels != other and (len(rows) - (other in rows) >= family.max_series or len(key) >= KEY_BYTES):
            return self._row(family, other)
        row = family.rows - 1 if labels == other or not labels else len(rows) - (other in rows)
        start = self._store._key_at(family, self._number, row)
        self._store._bytes[start + 1 : start + 1 + len(key)] = key
        self._store._bytes[start] = 1 + len(key)  # last: from here on it is read
        rows[labels] = row
        return row
