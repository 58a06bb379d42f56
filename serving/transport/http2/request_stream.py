"""The requests of a call that sends many. What its servicer does not take holds the caller back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from serving.transport.http2.messages import PREFIX_BYTES, Received

WAITING_BYTES = 64 * 1024  # that the servicer has not taken yet; beyond, the caller is held back
MESSAGE_BYTES = 128  # that a waiting message takes beside its own: an empty one is not free either


class RequestStream(AsyncIterator[Any]):
    """The requests, as their servicer takes them.

    Args:
        acknowledge: Lets the caller send so many bytes more.
        hold: Counts so many bytes as held; they are a negative number once a request has been taken.
        read: A request as its servicer takes it.
    """

    def __init__(
        self,
        acknowledge: Callable[[int], None],
        hold: Callable[[int], None],
        read: Callable[[Received], Awaitable[Any]],
    ) -> None:
        self._let_send, self._hold, self._read = acknowledge, hold, read
        self._messages: deque[Received] = deque()
        self._waiting_bytes = 0
        self._unacknowledged = 0  # bytes
        self._has_ended = False
        self._arrival = asyncio.Event()

    def owe(self, size: int) -> None:
        """So many bytes have come, to be acknowledged by and by."""
        self._unacknowledged += size

    def receive(self, messages: list[Received], is_end: bool) -> None:
        """More requests."""
        self._messages.extend(messages)
        self._waiting_bytes += sum(map(_weight, messages))
        self._has_ended = self._has_ended or is_end
        self._acknowledge()
        self._arrival.set()

    def release(self) -> None:
        """The call has ended: whatever comes is passed over."""
        self._messages.clear()
        self._waiting_bytes = 0
        self._acknowledge()

    async def __anext__(self) -> Any:
        while not self._messages:
            if self._has_ended:
                raise StopAsyncIteration
            self._arrival.clear()
            await self._arrival.wait()
        received = self._messages.popleft()
        self._waiting_bytes -= _weight(received)
        self._acknowledge()
        self._hold(-_weight(received))
        return await self._read(received)

    @property
    def is_held_back(self) -> bool:
        """Whether the caller may not send, since the servicer does not take what has come."""
        return self._waiting_bytes > WAITING_BYTES

    def _acknowledge(self) -> None:
        if self._unacknowledged and not self.is_held_back:
            self._let_send(self._unacknowledged)
            self._unacknowledged = 0


def _weight(received: Received) -> int:
    """Bytes that a waiting message holds."""
    return PREFIX_BYTES + len(received[1]) + MESSAGE_BYTES
