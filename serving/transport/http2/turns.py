"""Whose turn it is: of each turn of the event loop, all connections together get little.

What they send is taken for two milliseconds, a slice of each in turn, those first that had nothing waiting; and of the
streams that would answer on, a few do, of each connection in turn. So a call that needs some turns is through in some
times that, however many others want more. Those who make work for nothing have no turns, but a slice now and then.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from enum import IntEnum
from time import monotonic

from serving.fair_turns import FairTurns

TURN_S = 0.002  # for all that takes what has come
PAUSE_S = 0.001  # from one slice of the last rank to the next: the loop sleeps meanwhile, and who sends so is held back
LAST = 100  # who may wait in the last rank, each with the bytes that it was let send
ANSWERS = 4  # of streams, after each of which their servicers run on


class Rank(IntEnum):
    """Of who has something waiting."""

    FIRST = 0  # it had nothing
    NEXT = 1
    LAST = 2  # of all of them together, a slice now and then


Take = Callable[[], Rank | None]
"""Takes a slice; the rank of what is still waiting, None where nothing is."""


class Turns:
    """Of one event loop."""

    def __init__(self) -> None:
        self._end = 0.0  # of this turn's time
        self._is_due = False  # the next turn
        self._first: deque[Take] = deque()
        self._next: deque[Take] = deque()
        self._last: deque[Take] = deque()
        self._last_is_due = False
        self._lines = (self._first, self._next, self._last)  # by rank
        self._answering: FairTurns[asyncio.Future[None]] = FairTurns()

    def begin(self) -> bool:
        """Whether there is time left in this turn to take what has just come."""
        if not self._is_due:
            self._end = monotonic() + TURN_S
            self._come_again()
        return monotonic() < self._end

    def wait(self, take: Take, rank: Rank) -> None:
        """Have a slice taken when it is its turn, again and again until there are no more."""
        self._lines[rank].append(take)
        if rank is Rank.LAST:
            self._come_for_last()
        else:
            self._come_again()

    @property
    def is_crowded(self) -> bool:
        """Whether as many wait in the last rank as may."""
        return len(self._last) >= LAST

    async def answer(self, connection: Hashable) -> None:
        """Wait until one of a connection's streams may answer on."""
        turn = asyncio.get_running_loop().create_future()
        self._answering.put(connection, turn)
        self._come_again()
        await turn

    def _come_again(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self._end = monotonic() + TURN_S
        woken = 0
        while self._answering and woken < ANSWERS:
            woken += self._wake()
        while self._first or self._next:
            self._take(self._first or self._next)
            if monotonic() > self._end:
                break
        if self._first or self._next or self._answering:
            self._come_again()

    def _come_for_last(self) -> None:
        if not self._last_is_due:
            self._last_is_due = True
            asyncio.get_running_loop().call_later(PAUSE_S, self._turn_of_last)

    def _turn_of_last(self) -> None:
        self._last_is_due = False
        self._take(self._last)
        if self._last:
            self._come_for_last()

    def _take(self, line: deque[Take]) -> None:
        take = line.popleft()
        if (rank := take()) is not None:
            self.wait(take, rank)

    def _wake(self) -> bool:
        """Let a stream of the next connection answer on; whether it is still there."""
        _, turn = self._answering.take()
        if turn.done():  # the call is over
            return False
        turn.set_result(None)
        return True
