"""What a connection has of time: to begin, to be idle, to be silent, to live (gRFC A8 and A9)."""

import random
from typing import Protocol

from serving.transport.limits import Limits

LONGEST_INTERVAL_S = 5.0
LOOKS = 4  # within the shortest limit
JITTER = 0.1  # of an age, so that clients that came together do not go together
NEVER = float("inf")


class Timed(Protocol):
    """A connection, as its clock knows it."""

    def begin_shutdown(self) -> None: ...

    def finish_shutdown(self) -> None: ...

    def cut_off(self) -> None: ...

    def ask_for_a_sign(self) -> None: ...

    def abort(self) -> None: ...


class Clock:
    """Of one connection.

    Args:
        limits: Of seconds; 0 is no limit.
        now: The loop's time.

    Attributes:
        interval_s: How often to look.
        is_greeted: The connection has begun as HTTP/2.
        idle_since: When its last call ended.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self.is_greeted = False
        self.idle_since = self._opened = self._heard = now
        self._asked: float | None = None  # whether the client is there
        self._told: float | None = None  # to go
        self._is_leaving = False
        self._max_age_s = limits.max_age_s * random.uniform(1 - JITTER, 1 + JITTER)  # no secret
        seconds = (
            limits.handshake_s, limits.request_s, limits.max_age_s, limits.age_grace_s, limits.max_idle_s,
            limits.keepalive_s, limits.keepalive_timeout_s,
        )  # fmt: skip
        self.interval_s = min(LONGEST_INTERVAL_S, min([each for each in seconds if each], default=NEVER) / LOOKS)

    def heard(self, now: float) -> None:
        """The client has sent something."""
        self._heard = now
        self._asked = None

    def look(self, now: float, connection: Timed, is_idle: bool) -> None:
        """End what has had its time."""
        limits = self._limits
        if not self.is_greeted:
            if limits.handshake_s and now - self._opened > limits.handshake_s:
                connection.cut_off()
            return
        if self._asked is not None and now - self._asked > limits.keepalive_timeout_s:
            connection.abort()
            return
        if limits.keepalive_s and self._asked is None and now - self._heard > limits.keepalive_s:
            self._asked = now
            connection.ask_for_a_sign()
        if self._told is not None:
            self._leave(now, self._told, connection)
            return
        is_old = limits.max_age_s and now - self._opened > self._max_age_s
        is_unused = limits.max_idle_s and is_idle and now - self.idle_since > limits.max_idle_s
        if is_old or is_unused:
            self._told = now
            connection.begin_shutdown()

    def _leave(self, now: float, told: float, connection: Timed) -> None:
        """The client was told to go: take no more calls, and after the grace end those in flight."""
        if not self._is_leaving:
            self._is_leaving = True
            connection.finish_shutdown()
        elif self._limits.age_grace_s and now - told > self._limits.age_grace_s:
            connection.cut_off()
