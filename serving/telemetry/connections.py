"""What a transport tells: of connections, of the calls of each method, and of those that no handler answers."""

from typing import Any

import grpc

from serving.telemetry.access_log import AccessLog, escaped
from serving.telemetry.calls import MethodObserver
from serving.telemetry.families import CONNECTIONS, REFUSALS
from serving.telemetry.record import CallRecord
from serving.telemetry.store import Slot

LONGEST_PATH = 200  # characters of it that a line has


class TransportObserver:
    """A `transport.observer.Observer` that counts in a slot, and writes the lines of calls that were refused.

    Args:
        slot: Where.
        log: Of calls.
    """

    def __init__(self, slot: Slot, log: AccessLog) -> None:
        self._slot, self._log, self._open = slot, log, slot.value(CONNECTIONS)

    def method(self, name: str) -> MethodObserver:
        """Who is told of the calls of a method."""
        return MethodObserver(name, self._slot, self._log)

    def connection_opened(self) -> None:
        """A client has connected."""
        self._open.add()

    def connection_closed(self) -> None:
        """A connection is gone."""
        self._open.add(-1.0)

    def call_refused(self, path: str, code: grpc.StatusCode, reason: str, seconds: float, context: Any) -> None:
        """A call got its status from the transport."""
        self._slot.value(REFUSALS, reason).add()
        if self._log.wants(code.name):
            record = CallRecord()
            record.context = context
            self._log.add(escaped(path.removeprefix("/")[:LONGEST_PATH]), code.name, seconds, record)
            record.context = None
