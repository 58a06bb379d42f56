"""What a transport tells of connections and of calls that no handler sees."""

from typing import Any

from serving.telemetry.families import CONNECTIONS, REFUSALS
from serving.telemetry.store import Slot


class ConnectionObserver:
    """A `transport.observer.Observer` that counts in a slot."""

    def __init__(self, slot: Slot) -> None:
        self._slot, self._open = slot, slot.value(CONNECTIONS)

    def connection_opened(self) -> None:
        """A client has connected."""
        self._open.add()

    def connection_closed(self) -> None:
        """A connection is gone."""
        self._open.add(-1.0)

    def call_refused(self, path: str, code: Any, reason: str) -> None:  # noqa: ARG002  (which path is up to the caller)
        """A call got its status from the transport."""
        self._slot.value(REFUSALS, reason).add()
