"""What a servicer may know and say of its call: grpc.aio's `ServicerContext`, but for what sends or waits."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import grpc

from serving.transport.http2.messages import Fields, MetadataItems, metadata_of

CODES = {code.value[0]: code for code in grpc.StatusCode}
ENCODING_OF = {grpc.Compression.Deflate: b"deflate", grpc.Compression.Gzip: b"gzip"}
Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
DoneCallback: TypeAlias = Callable[[Any], None]


class Context:
    """Of one call.

    Args:
        loop: In which the call is answered.
        fields: The request's header fields.
        peer: Who calls, such as `ipv4:127.0.0.1:51234`.
        encoding: Of answers, where the caller accepts it.

    Attributes:
        ended: The answer is complete, or nobody waits for it.
        deadline: Of the loop's time.
    """

    ended = False
    deadline: float | None = None
    _answering = False  # the answer's header fields have gone
    _abandoned = False  # by the caller
    _code: grpc.StatusCode | None = None
    _details = ""
    _trailing: MetadataItems = ()
    _encoding: bytes | None = None  # of answers
    _next_is_plain = False

    def __init__(self, loop: asyncio.AbstractEventLoop, fields: Fields, peer: str, encoding: bytes | None) -> None:
        self._loop = loop
        self._fields = fields
        self._peer = peer
        self._done_callbacks: list[DoneCallback] = []
        if encoding is not None:
            self._encoding = self._accepted(encoding)

    def invocation_metadata(self) -> Metadata:
        """The caller's metadata; values of keys that end in `-bin` are bytes."""
        return metadata_of(self._fields)

    def time_remaining(self) -> float | None:
        """Seconds until the call's deadline, where it has one."""
        return None if self.deadline is None else max(0.0, self.deadline - self._loop.time())

    def peer(self) -> str:
        """Who calls, such as `ipv4:127.0.0.1:51234`, `ipv6:[::1]:51234` or `unix:`."""
        return self._peer

    def peer_identities(self) -> Iterable[bytes] | None:
        """None: callers are not authenticated."""
        return None

    def peer_identity_key(self) -> str | None:
        """None: callers are not authenticated."""
        return None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Empty: callers are not authenticated."""
        return {}

    # The end

    def set_code(self, code: grpc.StatusCode | int) -> None:
        """The status, where the servicer returns or raises; with one that is not OK no answer goes out."""
        self._code = CODES[code] if isinstance(code, int) else code

    def set_details(self, details: str) -> None:
        """The status's message."""
        self._details = details

    def set_trailing_metadata(self, trailing_metadata: MetadataItems) -> None:
        """What goes with the status."""
        self._trailing = tuple(trailing_metadata)

    def code(self) -> grpc.StatusCode | None:
        """The status: that of the call's end, or what was set; None before."""
        return self._code

    def details(self) -> str:
        """The status's message so far."""
        return self._details

    def trailing_metadata(self) -> MetadataItems:
        """What goes with the status so far."""
        return self._trailing

    def done(self) -> bool:
        """Whether the call has ended, however it did."""
        return self.ended

    def cancelled(self) -> bool:
        """Whether the caller waits no more."""
        return self._abandoned

    def add_done_callback(self, callback: DoneCallback) -> None:
        """Have something called with this context once the call has ended."""
        if self.ended:
            self._loop.call_soon(callback, self)
        else:
            self._done_callbacks.append(callback)

    # Compression

    def set_compression(self, compression: grpc.Compression) -> None:
        """How answers are compressed, where the caller accepts it.

        Raises:
            RuntimeError: The answer has begun.
        """
        if self._answering:
            raise RuntimeError("compression must be set before the answer begins")
        self._encoding = self._accepted(ENCODING_OF.get(compression))

    def disable_next_message_compression(self) -> None:
        """Send the next answer as it is."""
        self._next_is_plain = True

    def _accepted(self, encoding: bytes | None) -> bytes | None:
        accepted = dict(self._fields).get(b"grpc-accept-encoding", b"")
        return encoding if encoding in [each.strip() for each in accepted.split(b",")] else None
