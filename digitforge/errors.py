"""What a call of the client raises: a class for each way in which it fails that a program may act on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

STATUS_KEY = "grpc-status-details-bin"  # where a server puts a google.rpc.Status


class DigitforgeError(Exception):
    """Base of all: the server did not do what was asked. Its cause is gRPC's own error.

    Attributes:
        code: gRPC's status.
        message: The server's words, or gRPC's.
        details: The `google.rpc` details that came with it, such as BadRequest or RetryInfo.
        addresses: Of the servers that were asked.
    """

    def __init__(
        self, code: grpc.StatusCode, message: str, details: Sequence[Message] = (), addresses: Sequence[str] = ()
    ) -> None:
        super().__init__(code, message, details, addresses)
        self.code, self.message, self.details, self.addresses = code, message, tuple(details), tuple(addresses)

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class InvalidArgumentError(DigitforgeError):
    """A field of the request holds what it must not."""

    @property
    def violations(self) -> dict[str, str]:
        """What is wrong with each field that the server names."""
        found = [detail for detail in self.details if isinstance(detail, error_details_pb2.BadRequest)]
        return {violation.field: violation.description for bad in found for violation in bad.field_violations}


class NotFoundError(DigitforgeError):
    """The server has no such model version, or no such service."""


class OverloadedError(DigitforgeError):
    """The server takes no more at the moment, however often it was tried; or a message is larger than it takes."""

    @property
    def retry_after_s(self) -> float | None:
        """When to try again, where the server says so."""
        found = [detail for detail in self.details if isinstance(detail, error_details_pb2.RetryInfo)]
        return found[0].retry_delay.ToTimedelta().total_seconds() if found else None


class DeadlineExceededError(DigitforgeError):
    """The answer was not there in time."""


class UnreachableError(DigitforgeError):
    """No server answers at any of the addresses, or the one that did is going away."""

    def __str__(self) -> str:
        return f"no server at {' or '.join(self.addresses)}, or it is going away ({self.message})"


CLASSES = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.UNAVAILABLE: UnreachableError,
}


@contextmanager
def in_our_words(addresses: Sequence[str]) -> Iterator[None]:
    """Turns gRPC's errors into ours."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_of(error, addresses) from error


def error_of(error: grpc.RpcError, addresses: Sequence[str]) -> DigitforgeError:
    """What gRPC's error, of a call of either face, is in our words."""
    call: Any = error  # which it is as well
    return CLASSES.get(call.code(), DigitforgeError)(call.code(), call.details() or "", _details(call), addresses)


def _details(call: Any) -> list[Message]:
    try:
        status = status_pb2.Status.FromString(dict(call.trailing_metadata() or ()).get(STATUS_KEY, b""))
    except DecodeError:
        return []
    found = []
    for packed in status.details:
        kind = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2], None)
        if kind is not None and packed.Is(kind.DESCRIPTOR):
            packed.Unpack(detail := kind())
            found.append(detail)
    return found
