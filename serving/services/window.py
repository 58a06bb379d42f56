"""How much of a stream of requests is in work at a time."""

import asyncio
from collections import deque


class Window:
    """How much of a stream is in work: requests come in as there is room, and go out in the same order.

    Args:
        count: Requests at a time.
        size: Bytes at a time; a larger request is let in alone.
    """

    def __init__(self, count: int, size: int) -> None:
        self._count, self._size = count, size
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._room = asyncio.Event()

    async def enter(self, size: int) -> None:
        """Wait until there is room for a request of so many bytes, and take it."""
        while self._sizes and (len(self._sizes) >= self._count or self._bytes + size > self._size):
            self._room.clear()
            await self._room.wait()
        self._sizes.append(size)
        self._bytes += size

    def leave(self) -> None:
        """The oldest request is done."""
        self._bytes -= self._sizes.popleft()
        self._room.set()
