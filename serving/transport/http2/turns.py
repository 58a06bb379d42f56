"""Whose turn it is: of each turn of the event loop, all connections together get little.

What they send is taken for two milliseconds, a slice of each in turn, those first that had nothing waiting; and of the
streams that would answer on, a few do, of each connection in turn. So a call that needs some turns is through in some
times that, however many others want more.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from time import monotonic

from serving.fair_turns import FairTurns

TURN_S = 0.002  # for all that takes what has come
ANSWERS = 4  # of streams, after each of which their servicers run on

Take = Callable[[], bool]
"""Takes a slice; whether more is waiting."""


class Turns:
    """Of one event loop."""

    def __init__(self) -> None:
        self._end = 0.0  # of this turn's time
        self._is_due = False  # the next turn
        self._fresh: deque[Take] = deque()
        self._waiting: deque[Take] = deque()
        self._answering: FairTurns[asyncio.Future[None]] = FairTurns()

    def begin(self) -> bool:
        """Whether there is time left in this turn to take what has just come."""
        if not self._is_due:
            self._end = monotonic() + TURN_S
            self._come_again()
        return monotonic() < self._end

    def wait(self, take: Take, is_fresh: bool) -> None:
        """Have a slice taken when it is its turn, again and again until there are no more."""
        (self._fresh if is_fresh else self._waiting).append(take)
        self._come_again()

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
        while self._fresh or self._waiting:
            take = (self._fresh or self._waiting).popleft()
            if take():
                self._waiting.append(take)
            if monotonic() > self._end:
                break
        if self._fresh or self._waiting or self._answering:
            self._come_again()

    def _wake(self) -> bool:
        """Let a stream of the next connection answer on; whether it is still there."""
        _, turn = self._answering.take()
        if turn.done():  # the call is over
            return False
        turn.set_result(None)
        return True
