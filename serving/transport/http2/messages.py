"""What gRPC writes into HTTP/2: length-prefixed messages, timeouts, statuses and metadata as header fields.

Source: "gRPC over HTTP2", doc/PROTOCOL-HTTP2.md of the gRPC project.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote_from_bytes

import grpc

Fields = list[tuple[bytes, bytes]]
Received = tuple[int, bytes | memoryview]  # a message's flag, and its bytes as they came
MetadataItems = Iterable[tuple[str, str | bytes]]

PREFIX_BYTES = 5  # a flag, whether the message is compressed, and its length in 32 bits
COPIED_BYTES = 64 * 1024  # a message beyond is a view of what came
ENCODINGS = {b"identity": 0, b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}  # zlib's window bits
FIRST_STEP_BYTES = 16 * 1024  # of a compressed message that are inflated at once, and ...
STEP_BYTES = 256 * 1024  # ... at a time from then on
TIMEOUT_UNITS_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
TIMEOUT_DIGITS = 8
MESSAGE_CHARACTERS = 1000  # of a status at most: clients take no header fields beyond 8 or 16 kB
MESSAGE_SAFE = bytes(byte for byte in range(0x20, 0x7F) if byte != 0x25)  # all that is printable, but for %
BINARY = "-bin"
NEVER_AGAIN = (("grpc-retry-pushback-ms", "-1"),)  # to clients that repeat what is exhausted for now (gRFC A6)
RESERVED = (b":", b"grpc-", b"content-type", b"te")


class MessageError(Exception):
    """A message that cannot be taken.

    Attributes:
        code: The status for the caller.
        metadata: What goes with it.
        reason: For whoever counts refusals, a word of `observer.Observer.call_refused`.
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, metadata: MetadataItems = (), reason: str = "request"
    ) -> None:
        super().__init__(message)
        self.code, self.metadata, self.reason = code, metadata, reason


class MessageReader:
    """Finds the messages in the bytes of a request's body, and decompresses one when it is wanted.

    Args:
        encoding: The `grpc-encoding` of the request.
        max_bytes: Size of a message at most, also of what it is once decompressed.

    Raises:
        MessageError: UNIMPLEMENTED for an encoding that is not known.
    """

    def __init__(self, encoding: bytes, max_bytes: int) -> None:
        if encoding not in ENCODINGS:
            known = b", ".join(ENCODINGS).decode()
            raise MessageError(
                grpc.StatusCode.UNIMPLEMENTED, f"grpc-encoding {encoding.decode('latin-1')} is not known; {known} are"
            )
        self._window_bits = ENCODINGS[encoding]
        self._max_bytes = max_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> "Block":
        """More of the body; the messages that are whole with it.

        Raises:
            MessageError: RESOURCE_EXHAUSTED for a message that is too large.
        """
        # Most often it is one message and nothing else.
        if not self._rest and len(data) >= PREFIX_BYTES and len(data) == PREFIX_BYTES + self._length(data, 0):
            return Block(1, data)
        self._rest += data
        count = end = 0
        while len(self._rest) - end >= PREFIX_BYTES:
            next_end = end + PREFIX_BYTES + self._length(self._rest, end)
            if len(self._rest) < next_end:
                break
            count, end = count + 1, next_end
        if end == len(self._rest):  # no copy: it may be large
            block, self._rest = self._rest, bytearray()
            return Block(count, block)
        block = self._rest[:end]
        del self._rest[:end]
        return Block(count, block)

    @property
    def is_between_messages(self) -> bool:
        """Whether the body may end here."""
        return not self._rest

    def drop(self) -> None:
        """Let go of what has come of the next message."""
        self._rest = bytearray()

    def _length(self, data: bytes | bytearray, start: int) -> int:
        length = int.from_bytes(data[start + 1 : start + PREFIX_BYTES], "big")
        if length > self._max_bytes:
            raise self._too_large(f"{length}")
        return length

    def _too_large(self, size: str) -> MessageError:
        return MessageError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"a message of {size} bytes is larger than the limit of {self._max_bytes}",
            NEVER_AGAIN,
        )

    def inflation(self, received: Received) -> "Inflation":
        """Of a message whose flag says that it is compressed.

        Raises:
            MessageError: INTERNAL where it cannot be.
        """
        flag, message = received
        if flag != 1 or not self._window_bits:
            raise MessageError(grpc.StatusCode.INTERNAL, f"a message has flag {flag}, but no grpc-encoding is given")
        return Inflation(message, self._window_bits, self._too_large(f"more than {self._max_bytes}"), self._max_bytes)


class Block(NamedTuple):
    """Whole messages as they came, one after the other.

    They are parted as they are taken: thousands of small ones that wait would be as many objects, and of the memory of
    small objects Python gives little back.

    Attributes:
        messages: How many.
        data: Their bytes, with what goes before each.
    """

    messages: int
    data: bytes | bytearray

    def part(self, start: int) -> tuple[Received, int]:
        """The message that begins there, and where the next one does."""
        data, first = self.data, start + PREFIX_BYTES
        end = first + int.from_bytes(data[start + 1 : first], "big")
        if end - first > COPIED_BYTES:
            return (data[start], memoryview(data)[first:end]), end
        return (data[start], bytes(data[first:end])), end


class Inflation:
    """A message being decompressed, a step at a time: a few bytes can become very many.

    Args:
        message: As it came.
        window_bits: zlib's, of its encoding.
        too_large: What to raise where it becomes more than ...
        max_bytes: ... this.
    """

    def __init__(self, message: bytes | memoryview, window_bits: int, too_large: MessageError, max_bytes: int) -> None:
        self._rest: bytes | memoryview = message
        self._inflator = zlib.decompressobj(window_bits)
        self._too_large, self._max_bytes = too_large, max_bytes
        self._parts: list[bytes] = []
        self._size = 0

    def step(self, count: int) -> int:
        """Decompress up to so many bytes more; how many those were, fewer than `count` once it is whole.

        Raises:
            MessageError: RESOURCE_EXHAUSTED for one that is too large, INTERNAL for one that is damaged.
        """
        try:
            part = self._inflator.decompress(self._rest, count)
        except zlib.error as error:
            raise MessageError(grpc.StatusCode.INTERNAL, f"a message cannot be decompressed: {error}") from error
        self._rest = self._inflator.unconsumed_tail
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._max_bytes:
            raise self._too_large
        return len(part)

    def plain(self) -> bytes:
        """The message as it was before its compression, once it is whole.

        Raises:
            MessageError: INTERNAL for one that ends too soon or too late.
        """
        if not self._inflator.eof or self._inflator.unused_data:
            raise MessageError(grpc.StatusCode.INTERNAL, "a message's compressed bytes end too soon or too late")
        return b"".join(self._parts)


def prefixed(message: bytes) -> bytes:
    """A message with what goes before it on the wire."""
    return prefix(len(message)) + message


def prefix(size: int) -> bytes:
    """What goes before a message of so many bytes that is not compressed."""
    return b"\0" + size.to_bytes(4, "big")


def deflated(message: bytes, encoding: bytes) -> bytes:
    """A message in one of `ENCODINGS` that is not `identity`, with what goes before it on the wire."""
    deflator = zlib.compressobj(wbits=ENCODINGS[encoding])
    body = deflator.compress(message) + deflator.flush()
    return b"\1" + len(body).to_bytes(4, "big") + body


def timeout_s(value: bytes) -> float:
    """Seconds of a `grpc-timeout`, such as `100m`.

    Raises:
        MessageError: It is none.
    """
    number, unit = value[:-1], TIMEOUT_UNITS_S.get(value[-1:])
    if unit is None or not number.isdigit() or len(number) > TIMEOUT_DIGITS:
        raise MessageError(grpc.StatusCode.INTERNAL, f"grpc-timeout {value.decode('latin-1')!r} is no timeout")
    return int(number) * unit


def status_fields(code: grpc.StatusCode, message: str, metadata: MetadataItems) -> Fields:
    """The trailers of a call."""
    fields = [(b"grpc-status", str(code.value[0]).encode())]
    if message:
        fields.append((b"grpc-message", quote_from_bytes(message[:MESSAGE_CHARACTERS].encode(), MESSAGE_SAFE).encode()))
    return fields + metadata_fields(metadata)


def metadata_fields(metadata: MetadataItems) -> Fields:
    """Metadata as header fields; values of keys that end in `-bin` are any bytes."""
    return [
        (
            key.encode(),
            base64.b64encode(value).rstrip(b"=") if isinstance(value, bytes) else value.encode(),
        )
        for key, value in metadata
    ]


def metadata_of(fields: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str | bytes], ...]:
    """The caller's own metadata among the header fields of a request."""
    metadata: list[tuple[str, str | bytes]] = []
    for name, value in fields:
        key = name.decode("latin-1")
        if name.startswith(RESERVED):
            continue
        if key.endswith(BINARY):
            try:
                metadata += [(key, base64.b64decode(part + b"=" * (-len(part) % 4))) for part in value.split(b",")]
            except binascii.Error:
                continue
        else:
            metadata.append((key, value.decode("latin-1")))
    return tuple(metadata)
