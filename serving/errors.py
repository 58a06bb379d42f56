"""What the server refuses: one class per canonical status, each message naming the field, the value and the limit.

They know no transport: `status()` is the `google.rpc.Status` that every transport can carry.
"""

import random

from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

SPREAD = 0.5  # of a delay, at random: those who were refused together do not come again together


class RefusedError(Exception):
    """Base of all refusals.

    Attributes:
        code: Its canonical code, a value of `google.rpc.Code`.
        details: `google.rpc` details for clients that act on them.
        retry_after_s: When to try again, where that may help.
    """

    code: int = code_pb2.UNKNOWN
    retry_after_s: float | None = None

    def __init__(self, message: str, *details: Message) -> None:
        super().__init__(message)
        self.details = details

    def status(self) -> status_pb2.Status:
        """The refusal as a message."""
        status = status_pb2.Status(code=self.code, message=str(self))
        for detail in self.details:
            status.details.add().Pack(detail)
        return status


class InvalidArgumentError(RefusedError):
    """A field of the request holds what it must not."""

    code = code_pb2.INVALID_ARGUMENT

    def __init__(self, field: str, problem: str) -> None:
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=problem)
        super().__init__(f"{field}: {problem}", error_details_pb2.BadRequest(field_violations=[violation]))


class NotFoundError(RefusedError):
    """A model version that is not served."""

    code = code_pb2.NOT_FOUND


class ResourceExhaustedError(RefusedError):
    """More than the server takes now; it may be tried again after `delay_s`, or up to half as much later."""

    code = code_pb2.RESOURCE_EXHAUSTED
    retry_after_s: float

    def __init__(self, message: str, delay_s: float) -> None:
        retry_after_s = delay_s * random.uniform(1, 1 + SPREAD)  # no secret
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(retry_after_s * 1000))
        super().__init__(message, retry)
        self.retry_after_s = retry_after_s


class DeadlineExceededError(RefusedError):
    """The caller's deadline passed before its rows were run."""

    code = code_pb2.DEADLINE_EXCEEDED


class UnavailableError(RefusedError):
    """The server is shutting down."""

    code = code_pb2.UNAVAILABLE


class UnimplementedError(RefusedError):
    """A call of a protocol that is not served."""

    code = code_pb2.UNIMPLEMENTED


class InternalError(RefusedError):
    """The server's own fault."""

    code = code_pb2.INTERNAL
