"""The calls of a method, counted as gRFC A66 counts them, with their lines in the access log.

Messages count by the bytes that the handler takes and gives, before compression.
"""

from bisect import bisect_left
from collections.abc import Callable
from time import monotonic
from typing import Any

import grpc

from serving.telemetry.access_log import AccessLog
from serving.telemetry.families import BYTES, DURATION, RECEIVED, SECONDS, SENT, STARTED
from serving.telemetry.record import CURRENT, REQUEST_ID_KEY, CallRecord
from serving.telemetry.store import Slot

WHOLE_BYTES = tuple(map(int, BYTES))  # numbers of one kind are compared in half the time
Count = Callable[[float, int, int], None]
"""Counts a call that took so many seconds, and so many bytes of requests and answers."""


class MethodObserver:
    """A `transport.observer.CallObserver` that counts in a slot, and writes lines.

    Args:
        name: The method's, with its service's.
        slot: Where the calls are counted.
        log: Where they have their lines.
    """

    def __init__(self, name: str, slot: Slot, log: AccessLog) -> None:
        self._name, self._slot, self._log = name, slot, log
        self._is_logged, self._are_all_logged = log.which != "off", log.which == "all"
        self._values, self._started = slot.values, slot.place(STARTED, name)
        self._counts: dict[grpc.StatusCode, Count] = {}

    def began(self, context: Any) -> CallRecord:
        """A handler begins."""
        self._values[self._started] += 1.0
        record = CallRecord()
        CURRENT.set(record)
        if self._is_logged:
            record.context = context
            if self._are_all_logged:
                context.set_trailing_metadata(((REQUEST_ID_KEY, record.request_id),))
        record.began = monotonic()
        return record

    def ended(self, call: CallRecord, code: grpc.StatusCode, received: int, sent: int) -> None:
        """Count and log it, and let go of the handler's context.

        It holds the task, whose context holds the record: a ring that only the garbage collector could free.
        """
        seconds = monotonic() - call.began
        if (count := self._counts.get(code)) is None:
            count = self._counts[code] = self._counting(code)
        count(seconds, received, sent)
        if self._is_logged and (self._are_all_logged or self._log.wants(code.name)):
            self._log.add(self._name, code.name, seconds, call)
        call.context = None

    def _counting(self, code: grpc.StatusCode) -> Count:
        """Counts an end with this status, in its series from now on."""
        values = self._values
        duration, received, sent = (
            self._slot.place(family, self._name, code.name) for family in (DURATION, RECEIVED, SENT)
        )
        duration_sum, received_sum, sent_sum = (
            duration + len(SECONDS) + 1,
            received + len(BYTES) + 1,
            sent + len(BYTES) + 1,
        )

        def count(seconds: float, received_bytes: int, sent_bytes: int) -> None:
            # As `Histogram.observe`, without its three calls.
            values[duration + bisect_left(SECONDS, seconds)] += 1.0
            values[duration_sum] += seconds
            values[received + bisect_left(WHOLE_BYTES, received_bytes)] += 1.0
            values[received_sum] += received_bytes
            values[sent + bisect_left(WHOLE_BYTES, sent_bytes)] += 1.0
            values[sent_sum] += sent_bytes

        return count
