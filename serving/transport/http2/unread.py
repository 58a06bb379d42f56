"""How much of their answers callers may leave unread: a caller can ask faster than it reads."""

from typing import Protocol

import grpc

from serving.transport.http2.messages import MessageError
from serving.transport.limits import Limits

SHARE = 64  # part of a process's limit that every connection has, whatever the others leave unread


class Reader(Protocol):
    """A connection, as those who count know it."""

    unread_bytes: int

    def turn_out(self, words: bytes) -> None:
        """End, since it takes what others need."""


class Unread:
    """Of all connections of a process: what waits in HTTP/2 and in the sockets' buffers.

    Args:
        limits: How much may be, of a connection and of all.
    """

    def __init__(self, limits: Limits) -> None:
        self._limit, self._reader_limit = limits.unread_bytes, limits.connection_unread_bytes
        self._readers: set[Reader] = set()  # that have something left
        self._total = 0

    def count(self, reader: Reader, size: int) -> None:
        """A connection has left so many bytes; where all have too many, the one with most of them goes."""
        if size == reader.unread_bytes:
            return
        self._total += size - reader.unread_bytes
        reader.unread_bytes = size
        if not size:
            self._readers.discard(reader)
            return
        self._readers.add(reader)
        if self._total > self._limit:
            most = max(self._readers, key=lambda each: each.unread_bytes)
            self._readers.discard(most)
            self._total -= most.unread_bytes
            most.unread_bytes = 0
            most.turn_out(b"too many bytes of answers are left unread")

    def is_full(self, reader: Reader) -> bool:
        """Whether a connection's streams have to wait until it has read more."""
        if reader.unread_bytes > self._reader_limit // 4:
            return True
        return self._total > self._limit // 2 and reader.unread_bytes > self._limit // SHARE

    def check(self, reader: Reader) -> None:
        """Raises MessageError where a connection has left too much to be given more."""
        if reader.unread_bytes > self._reader_limit:
            raise MessageError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{reader.unread_bytes} bytes of answers wait to be read on this connection, and "
                f"{self._reader_limit} may; read them first",
                reason="unread",
            )
