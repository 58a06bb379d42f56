"""What every service makes of a call: whose it is, until when, and how it is refused."""

import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2

from serving.errors import InternalError, RefusedError
from serving.telemetry.record import REQUEST_ID_KEY, request_id

Context = grpc.aio.ServicerContext[Any, Any]
STATUS_KEY = "grpc-status-details-bin"  # where clients look for a google.rpc.Status
PUSHBACK_KEY = "grpc-retry-pushback-ms"  # when gRPC's own retries come again (gRFC A6)
CODES = {code.value[0]: code for code in grpc.StatusCode}


def deadline(context: Context) -> float | None:
    """The call's deadline as a time of `time.monotonic()`, if it has one."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining


def peer(context: Context) -> str:
    """Whose call it is: the address of its connection, or one name for all where the context does not know it."""
    known: Callable[[], str] | None = getattr(context, "peer", None)
    return "" if known is None else known()


async def refuse(context: Context, error: RefusedError) -> NoReturn:
    """End a call with a refusal's status; this is the one place where refusals become gRPC statuses."""
    status: status_pb2.Status = error.status()
    metadata: list[tuple[str, str | bytes]] = []
    if error.details:
        metadata.append((STATUS_KEY, status.SerializeToString()))
    if error.retry_after_s is not None:
        # At least 1: grpcio 1.85 takes 0 for never, and waits until its deadline.
        metadata.append((PUSHBACK_KEY, str(max(1, round(error.retry_after_s * 1000)))))
    if (named := request_id()) is not None:
        metadata.append((REQUEST_ID_KEY, named))
    await context.abort(CODES[error.code], str(error), tuple(metadata))  # grpcio takes nothing but a tuple
    raise InternalError("abort returns never")
