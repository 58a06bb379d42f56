"""What processes know of themselves, and their parent of them."""

from serving.telemetry.families import LOOP_DELAY, MEMORY, RESTARTS, SERVING
from serving.telemetry.store import Store


class WorkerGauges:
    """A worker's own: whether it serves, how late its event loop is, and how large it is.

    Args:
        store: Where.
        number: The worker's slot.

    Attributes:
        slot: Where it counts what it does.
    """

    def __init__(self, store: Store, number: int) -> None:
        self.store = store
        self.slot = store.slot(number)
        self._serving = self.slot.value(SERVING)
        self._loop_delay = self.slot.histogram(LOOP_DELAY)
        self._memory = self.slot.value(MEMORY, str(number))

    def serves(self, does: bool) -> None:
        """Say whether it does, and is not shutting down."""
        self._serving.set(float(does))

    def turned(self, late_s: float, resident_bytes: int) -> None:
        """A timer of the event loop has come, so much later than due, and the process is so large."""
        self._loop_delay.observe(max(0.0, late_s))
        self._memory.set(resident_bytes)


class WorkerCounts:
    """The parent's: how often a worker was replaced, and that nothing is left of the gauges of one that has gone.

    Args:
        store: Where.
        number: The parent's slot.
        workers: That are started in the beginning.
    """

    def __init__(self, store: Store, number: int, workers: int) -> None:
        self._store, self._to_come = store, workers
        self._restarts = store.slot(number).value(RESTARTS)

    def started(self) -> None:
        """A worker has been forked."""
        if self._to_come:
            self._to_come -= 1
        else:
            self._restarts.add()

    def ended(self, number: int) -> None:
        """The worker of a slot is no more."""
        self._store.clear_gauges(number)
