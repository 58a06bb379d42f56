"""Whether the workers' event loops still turn: each writes the time into shared memory, and the parent looks."""

import mmap
import time
from collections.abc import Mapping

BEAT_S = 1.0
GAP_S = 5.0  # a parent that was not run itself for so long knows nothing of the others


class Heartbeats:
    """A time for each slot, in memory that processes forked later share.

    Each is written by one process, in one piece: 8 bytes at a multiple of 8.
    """

    def __init__(self, slots: int) -> None:
        self._times = memoryview(mmap.mmap(-1, 8 * slots)).cast("d")

    def beat(self, slot: int) -> None:
        """Whoever has this slot is well."""
        self._times[slot] = time.monotonic()  # one clock for all processes

    def last(self, slot: int) -> float:
        """When it was, by the monotonic clock; 0: never."""
        return self._times[slot]


class HangWatch:
    """Finds who has been silent for too long.

    Args:
        heartbeats: Of all.
        hang_s: How long is too long.
    """

    def __init__(self, heartbeats: Heartbeats, hang_s: float) -> None:
        self.hang_s = hang_s
        self._heartbeats = heartbeats
        self._looked = self._since = time.monotonic()

    def look(self, serving: Mapping[int, float], now: float) -> int | None:
        """The slot of one that hangs. Call it about every second.

        Of several, one is named, and the next one no sooner than its successor has had `hang_s`: what holds up all of
        them may pass, and as long as it has not, to replace them all would leave nobody.

        Args:
            serving: Since when each slot's process serves.
            now: By the monotonic clock.
        """
        if now - self._looked > GAP_S:  # the machine slept, or had no time: then nobody's silence means anything
            self._since = now
        self._looked = now
        for slot, served in serving.items():
            if now - max(self._heartbeats.last(slot), served, self._since) > self.hang_s:
                self._since = now
                return slot
        return None
