"""Handlers that tell an observer of their calls, by themselves: for grpcio's server, which tells nobody.

A call begins when its handler does: with one request, once that is there.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, TypeAlias

import grpc

from serving.transport.observer import CallObserver

Handler: TypeAlias = Any  # a grpc.RpcMethodHandler, whose four kinds of behaviour its stubs cannot tell apart
Context: TypeAlias = Any  # a grpc.aio.ServicerContext
OK = grpc.StatusCode.OK
CODES = {code.value[0]: code for code in grpc.StatusCode}  # grpcio's `code()` gives the number


class _Received:
    """Bytes of a call's requests so far."""

    count = 0


RECEIVED: ContextVar[_Received | None] = ContextVar("received", default=None)


class ObservedService(grpc.GenericRpcHandler):
    """A generic handler whose methods' handlers are observed.

    Args:
        service: The handler.
        method: Who is told, by a method's name.
    """

    def __init__(self, service: grpc.GenericRpcHandler, method: Callable[[str], CallObserver]) -> None:
        self._service, self._method = service, method
        self._observed: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of a call's method, where there is one."""
        path = handler_call_details.method
        if (found := self._observed.get(path)) is None:
            if (handler := self._service.service(handler_call_details)) is None:
                return None
            found = self._observed[path] = observed(handler, self._method(path.removeprefix("/")))
        return found


def observed(handler: Handler, observer: CallObserver) -> Handler:
    """A handler like this one, of whose calls somebody is told. Its method must be a coroutine or such a generator."""
    read, write = _reader(handler.request_deserializer or bytes), handler.response_serializer or bytes
    if handler.request_streaming:
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(_answers(handler.stream_stream, write, observer), read)
        return grpc.stream_unary_rpc_method_handler(_answer(handler.stream_unary, write, observer), read)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(_answers(handler.unary_stream, write, observer), read)
    return grpc.unary_unary_rpc_method_handler(_answer(handler.unary_unary, write, observer), read)


def _answer(call: Any, write: Callable[[Any], bytes], observer: CallObserver) -> Any:
    async def answer(request: Any, context: Context) -> bytes:
        received, began = _received(), observer.began(context)
        try:
            answer = write(await call(request, context))
        except BaseException as error:
            observer.ended(began, _status_of(error, context), received.count, 0)
            raise
        observer.ended(began, _code_of(context), received.count, len(answer))
        return answer

    return answer


def _answers(call: Any, write: Callable[[Any], bytes], observer: CallObserver) -> Any:
    async def answers(request: Any, context: Context) -> AsyncIterator[bytes]:
        received, began, sent = _received(), observer.began(context), 0
        try:
            async with aclosing(call(request, context)) as messages:
                async for message in messages:
                    answer = write(message)
                    sent += len(answer)
                    yield answer
        except BaseException as error:
            observer.ended(began, _status_of(error, context), received.count, sent)
            raise
        observer.ended(began, _code_of(context), received.count, sent)

    return answers


def _reader(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Reads a request in its call's context; of one with one request, before the handler begins."""

    def read_one(data: bytes) -> Any:
        _received().count += len(data)
        return read(data)

    return read_one


def _received() -> _Received:
    if (received := RECEIVED.get()) is None:
        RECEIVED.set(received := _Received())
    return received


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
