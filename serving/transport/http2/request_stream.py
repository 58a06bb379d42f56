"""The requests of a call that sends many. What its servicer does not take holds the caller back."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from serving.transport.http2.messages import Block, Received

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
        self._blocks: deque[Block] = deque()
        self._start = 0  # of the next message, in the first block
        self._waiting_bytes = 0  # with what is counted for each message
        self._unacknowledged = 0  # bytes
        self._has_ended = False
        self._arrival = asyncio.Event()

    def owe(self, size: int) -> None:
        """So many bytes have come, to be acknowledged by and by."""
        self._unacknowledged += size

    def receive(self, block: Block, is_end: bool) -> None:
        """More requests."""
        if block.messages:
            self._blocks.append(block)
            self._waiting_bytes += len(block.data) + MESSAGE_BYTES * block.messages
        self._has_ended = self._has_ended or is_end
        self._acknowledge()
        self._arrival.set()

    def release(self) -> None:
        """The call has ended: whatever comes is passed over."""
        self._blocks.clear()
        self._waiting_bytes = self._start = 0
        self._acknowledge()

    async def __anext__(self) -> Any:
        while not self._blocks:
            if self._has_ended:
                raise StopAsyncIteration
            self._arrival.clear()
            await self._arrival.wait()
        start, block = self._start, self._blocks[0]
        received, self._start = block.part(start)
        size = self._start - start + MESSAGE_BYTES
        if self._start == len(block.data):
            self._blocks.popleft()
            self._start = 0
        self._waiting_bytes -= size
        self._acknowledge()
        self._hold(-size)
        return await self._read(received)

    @property
    def is_held_back(self) -> bool:
        """Whether the caller may not send, since the servicer does not take what has come."""
        return self._waiting_bytes > WAITING_BYTES

    def _acknowledge(self) -> None:
        if self._unacknowledged and not self.is_held_back:
            self._let_send(self._unacknowledged)
            self._unacknowledged = 0
