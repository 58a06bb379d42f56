"""Calls that their client takes back as soon as it has made them (rapid reset, CVE-2023-44487), and when others begin.

Such a call costs its client some bytes, and is work here until its reset is read. So whoever has taken back many more
than it let be answered comes last among the connections (`Turns`), and its calls begin only when all that has come is
taken, a few at a time: one that is taken back by then has cost no task, no servicer and no model.
"""

from itertools import islice
from typing import Protocol

HABIT, WORST = 16, 32  # calls taken back beyond those answered, from which on it is one; that are held against a client
FEW = 4  # calls, which begin at a time


class Pending(Protocol):
    """A call, as it is known here."""

    is_begun: bool

    def run(self) -> None:
        """Begin its servicer."""


class TakenBack:
    """Of one connection."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: dict[Pending, None] = {}  # in their order

    @property
    def has_more(self) -> bool:
        """Whether calls wait to be begun."""
        return bool(self._waiting)

    @property
    def is_habit(self) -> bool:
        """Whether the client takes back most of what it calls."""
        return self._count > HABIT

    def answered(self) -> None:
        """A call has been answered."""
        if self._count:
            self._count -= 1

    def reset(self, call: Pending) -> None:
        """A call has been taken back: at once, where its servicer had not begun."""
        if not call.is_begun:
            self._count = min(WORST, self._count + 1)

    def begin(self, call: Pending) -> None:
        """Begin a call, now or in its turn."""
        if self._waiting or self._count > HABIT:
            self._waiting[call] = None
        else:
            call.run()

    def forget(self, call: Pending) -> None:
        """A call has ended: it holds nothing any more, and is not begun."""
        self._waiting.pop(call, None)

    def begin_few(self) -> None:
        """Begin those whose turn it is."""
        for call in list(islice(self._waiting, FEW)):
            del self._waiting[call]
            call.run()
