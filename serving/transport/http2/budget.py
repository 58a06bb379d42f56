"""How many bytes all calls of a process may hold of their requests: a caller can send faster than servicers take."""

import grpc

from serving.transport.http2.messages import MessageError


class ByteBudget:
    """Bytes that are held, and how many may be.

    Args:
        limit: Bytes at a time.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    def take(self, count: int) -> None:
        """Hold so many bytes more.

        Raises:
            MessageError: RESOURCE_EXHAUSTED; then they are not held.
        """
        if self._held + count > self._limit:
            raise MessageError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the server holds {self._held} bytes of requests already, and {self._limit} at most; try again later",
            )
        self._held += count

    def give_back(self, count: int) -> None:
        """Hold so many bytes less."""
        self._held -= count
