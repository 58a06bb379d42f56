"""Whose turn it is among those who ask: fair queuing (Demers, Keshav and Shenker, 1989).

Every turn has its cost, and next is the one that would be over first if all askers were served at once, with equal
shares. So one who asks for little is next almost at once however many ask for much, and nobody waits for ever.
"""

from collections import deque
from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairTurns(Generic[Item]):
    """What waits, in a line for each asker."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[tuple[Item, float]]] = {}
        self._share = 0.0  # that everybody would have had by now, if all were served at once
        # Two heaps, by the share at which a turn would be over: the first turn of each line, and the last one of those
        # who have had theirs already.
        self._order: list[tuple[float, int, Hashable]] = []
        self._ahead: list[float] = []
        self._arrivals = 0  # of two that would be over at the same time, the first is first
        self._waiting = 0

    def __len__(self) -> int:
        """How much waits."""
        return self._waiting

    def put(self, asker: Hashable, item: Item, cost: float = 1.0) -> None:
        """Let something wait, after all else of its asker; its turn costs so much, which is more than 0."""
        if (line := self._lines.get(asker)) is not None:
            line.append((item, cost))
        else:
            self._lines[asker] = deque([(item, cost)])
            self._push(self._share + cost, asker)
        self._waiting += 1

    def take(self) -> tuple[Hashable, Item]:
        """What is next, and whose it is.

        Raises:
            IndexError: Nothing waits.
        """
        over, _, asker = heappop(self._order)
        line = self._lines[asker]
        item, cost = line.popleft()
        while self._ahead and self._ahead[0] <= self._share:
            heappop(self._ahead)
        self._share += cost / (len(self._lines) + len(self._ahead))
        self._waiting -= 1
        if line:
            self._push(over + line[0][1], asker)
        else:
            del self._lines[asker]
            heappush(self._ahead, over)
        if not self._waiting:  # all have had theirs
            self._ahead.clear()
        return asker, item

    def take_all(self) -> list[Item]:
        """All that waits, where there is room for everybody's turn at once."""
        items = [item for line in self._lines.values() for item, _ in line]
        self._lines.clear()
        self._order.clear()
        self._ahead.clear()
        self._waiting = 0
        return items

    def remove(self, asker: Hashable, item: Item) -> bool:
        """Have something wait no more; whether it did."""
        line = self._lines.get(asker, deque())
        left = deque(pair for pair in line if pair[0] is not item)
        if len(left) == len(line):
            return False
        self._waiting -= 1
        self._lines[asker] = left
        if not left:
            del self._lines[asker]
            self._order = [place for place in self._order if place[2] != asker]
            heapify(self._order)
        return True

    def lines(self) -> list[list[Item]]:
        """What waits, of each asker."""
        return [[item for item, _ in line] for line in self._lines.values()]

    def _push(self, over: float, asker: Hashable) -> None:
        self._arrivals += 1
        heappush(self._order, (over, self._arrivals, asker))
