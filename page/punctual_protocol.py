"""uvicorn's HTTP/1.1 with a time limit for requests: whoever sends one byte now and then keeps no connection for long.

uvicorn waits for a request as long as it takes, and the page has a limited number of connections.
"""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_TIME_S = 25.0  # longer than a body is given, which is refused with words (page/uploads.py)


class PunctualProtocol(H11Protocol):
    """One connection. It is closed where a request that has begun, or the first one, is not whole in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(MOST_TIME_S, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()  # the next request may have begun to come meanwhile

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Have time run for a request that is under way, from its first byte on, and for no other."""
        state = self.conn.their_state
        is_under_way = state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0] != b"")
        if not is_under_way or self.transport.is_closing():
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(MOST_TIME_S, self.transport.close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
