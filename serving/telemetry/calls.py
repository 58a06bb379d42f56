"""Calls as gRFC A66 counts them, and the access log's lines, by handlers that are wrapped as they are registered.

So it is the same on every transport. A call begins when its handler does: with one request, once that is there.
Messages count by the bytes that the handler takes and gives, before compression.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc

from serving.telemetry.access_log import AccessLog
from serving.telemetry.families import BYTES, DURATION, RECEIVED, SECONDS, SENT, STARTED
from serving.telemetry.record import CURRENT, REQUEST_ID_KEY, CallRecord
from serving.telemetry.store import Slot

Handler: TypeAlias = Any  # a grpc.RpcMethodHandler, whose four kinds of behaviour its stubs cannot tell apart
Context: TypeAlias = Any  # a grpc.aio.ServicerContext
OK = grpc.StatusCode.OK
CODES = {code.value[0]: code for code in grpc.StatusCode}  # grpcio's `code()` gives the number


class ObservedRegistry:
    """Registers handlers with a server, wrapped. Their methods must be coroutines or asynchronous generators.

    Args:
        server: Registers as a grpc.aio.Server does.
        slot: Where the calls are counted.
        log: Where they have their lines.
    """

    def __init__(self, server: Any, slot: Slot, log: AccessLog) -> None:
        self._server, self._slot, self._log = server, slot, log

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As in grpc.aio."""
        self._server.add_generic_rpc_handlers([_ObservedService(each, self._wrap) for each in generic_rpc_handlers])

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Handler]) -> None:
        """As in grpc.aio."""
        wrapped = {name: self._wrap(f"{service_name}/{name}", each) for name, each in method_handlers.items()}
        self._server.add_registered_method_handlers(service_name, wrapped)

    def _wrap(self, method: str, handler: Handler) -> Handler:
        return _ObservedMethod(method, self._slot, self._log).wrap(handler)


class _ObservedService(grpc.GenericRpcHandler):
    """A generic handler whose methods' handlers are wrapped as they are first asked for."""

    def __init__(self, service: grpc.GenericRpcHandler, wrap: Callable[[str, Handler], Handler]) -> None:
        self._service, self._wrap = service, wrap
        self._wrapped: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        path = handler_call_details.method
        if (wrapped := self._wrapped.get(path)) is None:
            if (handler := self._service.service(handler_call_details)) is None:
                return None
            wrapped = self._wrapped[path] = self._wrap(path.removeprefix("/"), handler)
        return wrapped


class _ObservedMethod:
    """What is kept for all calls of a method."""

    def __init__(self, name: str, slot: Slot, log: AccessLog) -> None:
        self._name, self._slot, self._log = name, slot, log
        self._is_logged, self._are_all_logged = log.which != "off", log.which == "all"
        self._started = slot.value(STARTED, name)
        self._ends: dict[grpc.StatusCode, Callable[[float, int, int], None]] = {}
        self._count_ok: Callable[[float, int, int], None] | None = None

    def wrap(self, handler: Handler) -> Handler:
        read, write = handler.request_deserializer or bytes, handler.response_serializer or bytes
        if handler.request_streaming:
            if handler.response_streaming:
                return grpc.stream_stream_rpc_method_handler(
                    self._answers(handler.stream_stream, write), _reader_of_many(read)
                )
            return grpc.stream_unary_rpc_method_handler(
                self._answer(handler.stream_unary, write), _reader_of_many(read)
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._answers(handler.unary_stream, write), _reader(read))
        return grpc.unary_unary_rpc_method_handler(self._answer(handler.unary_unary, write), _reader(read))

    def _answer(self, call: Any, write: Callable[[Any], bytes]) -> Any:
        async def answer(request: Any, context: Context) -> bytes:
            record = self._begin(request, context)
            try:
                answer = write(await call(request, context))
            except BaseException as error:
                self._end(record, _status_of(error, context))
                raise
            record.sent = len(answer)
            self._end(record, _code_of(context))
            return answer

        return answer

    def _answers(self, call: Any, write: Callable[[Any], bytes]) -> Any:
        async def answers(request: Any, context: Context) -> AsyncIterator[bytes]:
            record = self._begin(request, context)
            try:
                async with aclosing(call(request, context)) as messages:
                    async for message in messages:
                        answer = write(message)
                        record.sent += len(answer)
                        yield answer
            except BaseException as error:
                self._end(record, _status_of(error, context))
                raise
            self._end(record, _code_of(context))

        return answers

    def _begin(self, request: Any, context: Context) -> CallRecord:
        record = CURRENT.get()
        if record is None or record.began:  # its request was read elsewhere, or is yet to come
            record = CallRecord(_size_of(request))
            CURRENT.set(record)
        record.began = time.monotonic()
        self._started.add()
        if self._is_logged:
            record.context = context
            if self._are_all_logged:
                context.set_trailing_metadata(((REQUEST_ID_KEY, record.request_id),))
        return record

    def _end(self, record: CallRecord, code: grpc.StatusCode) -> None:
        """Count and log it, and let go of the handler's context.

        It holds the task, whose context holds the record: a ring that only the garbage collector could free.
        """
        seconds = time.monotonic() - record.began
        if code is OK:
            if (count := self._count_ok) is None:
                count = self._count_ok = self._counting(OK)
            count(seconds, record.received, record.sent)
            if self._are_all_logged:
                self._log.add(self._name, "OK", seconds, record)
            record.context = None
            return
        if (count := self._ends.get(code)) is None:
            count = self._ends[code] = self._counting(code)
        count(seconds, record.received, record.sent)
        if self._is_logged and self._log.wants(code.name):
            self._log.add(self._name, code.name, seconds, record)
        record.context = None

    def _counting(self, code: grpc.StatusCode) -> Callable[[float, int, int], None]:
        """Counts an end with this status, in its series from now on."""
        values = self._slot.values
        duration, received, sent = (
            self._slot.place(family, self._name, code.name) for family in (DURATION, RECEIVED, SENT)
        )
        duration_sum, received_sum, sent_sum = (
            duration + len(SECONDS) + 1,
            received + len(BYTES) + 1,
            sent + len(BYTES) + 1,
        )

        def count(seconds: float, received_bytes: int, sent_bytes: int) -> None:
            # As `Histogram.observe`, without its three calls.
            values[duration + bisect_left(SECONDS, seconds)] += 1.0
            values[duration_sum] += seconds
            values[received + bisect_left(BYTES, received_bytes)] += 1.0
            values[received_sum] += received_bytes
            values[sent + bisect_left(BYTES, sent_bytes)] += 1.0
            values[sent_sum] += sent_bytes

        return count


def _reader(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads the request of a call, which begins with it."""

    def read_one(data: bytes) -> Any:
        CURRENT.set(CallRecord(len(data)))
        return read(data)

    return read_one


def _reader_of_many(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads the requests of a call that has begun, one by one."""

    def read_one(data: bytes) -> Any:
        if (record := CURRENT.get()) is not None:
            record.received += len(data)
        return read(data)

    return read_one


def _size_of(request: Any) -> int:
    """Of a request that was read in another context; of a stream nothing is here yet."""
    if isinstance(request, bytes):
        return len(request)
    return request.ByteSize() if hasattr(request, "ByteSize") else 0


def _code_of(context: Context) -> grpc.StatusCode:
    """The status that a call has so far."""
    code = context.code()
    return OK if not code or code is OK else CODES.get(code, code)  # 0 is OK as well


def _status_of(error: BaseException, context: Context) -> grpc.StatusCode:
    """The status of a call whose handler was left by an error."""
    if isinstance(error, grpc.aio.AbortError):
        code = _code_of(context)
        return grpc.StatusCode.UNKNOWN if code is OK else code
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        if (code := _code_of(context)) is not OK:
            return code
        is_late = context.time_remaining() == 0
        return grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.CANCELLED
    return grpc.StatusCode.UNKNOWN
