"""How often a client may ask whether the server is there: the server's side of gRFC A8."""

from serving.transport.limits import Limits


class PingStrikes:
    """Of one connection.

    Args:
        limits: How often, and how many times more often than that.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._strikes = 0
        self._last: float | None = None

    def sent(self) -> None:
        """The client has been sent an answer: it may ask anew."""
        self._last = None
        self._strikes = 0

    def pinged(self, now: float) -> bool:
        """The client has asked; whether that was once too often."""
        if not self._limits.max_ping_strikes:
            return False
        if self._last is not None and now - self._last < self._limits.min_ping_interval_s:
            self._strikes += 1
        self._last = now
        return self._strikes > self._limits.max_ping_strikes
