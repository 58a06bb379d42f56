"""One call: what has come of its request, its servicer's task, and what has gone of its answer.

It is also the context that the servicer is given, with the part of grpc.aio's `ServicerContext` that servicers use.
"""

import asyncio
import logging
from contextlib import aclosing
from typing import Any, NoReturn, Protocol, TypeAlias

import grpc

from serving.transport.http2.budget import ByteBudget
from serving.transport.http2.messages import (
    Fields,
    MessageError,
    MessageReader,
    MetadataItems,
    Received,
    metadata_of,
    prefixed,
    status_fields,
    timeout_s,
)
from serving.transport.http2.request_stream import MESSAGE_BYTES, RequestStream

log = logging.getLogger(__name__)

Handler: TypeAlias = Any  # a grpc.RpcMethodHandler, whose four kinds of behaviour its stubs cannot tell apart
RESPONSE_FIELDS = [(b":status", b"200"), (b"content-type", b"application/grpc")]
OK_FIELDS = [(b"grpc-status", b"0")]
LONGEST_S = 10 * 365 * 86_400.0  # a longer timeout is none: no timer reaches further


class Carrier(Protocol):
    """What a call asks of the connection that it came on."""

    loop: asyncio.AbstractEventLoop

    def send_response(self, call: "Call", fields: Fields, is_end: bool = False) -> None:
        """The answer's header fields; they are the whole answer where nothing follows."""

    def send_data(self, call: "Call", data: bytes) -> None:
        """Some of the answer's body."""

    def send_trailers(self, call: "Call", fields: Fields) -> None:
        """The answer's end."""

    def acknowledge(self, call: "Call", count: int) -> None:
        """Let the client send so many bytes more of a call."""

    async def drain(self, call: "Call") -> None:
        """Wait until what is to be sent of a call is little."""

    def forget(self, call: "Call") -> None:
        """A call has been answered, or abandoned."""


class Call:
    """A call from the moment that its header fields have come.

    Args:
        connection: Sends and acknowledges.
        stream_id: The call's stream on it.
        handler: What answers.
        fields: The request's header fields.
        max_bytes: Size of a request message at most.
        budget: Of what all calls hold of their requests: one with a single request holds it to its end.
    """

    def __init__(
        self,
        connection: Carrier,
        stream_id: int,
        handler: Handler,
        fields: Fields,
        max_bytes: int,
        budget: ByteBudget,
    ) -> None:
        self.stream_id = stream_id
        self.ended = False  # the answer is complete, or nobody waits for it
        self.is_endless = False  # it ends with the connection alone
        self._connection = connection
        self._loop = connection.loop
        self._handler = handler
        self._fields = fields
        self._budget = budget
        self._held_bytes = 0  # of the budget
        self._task: asyncio.Task[None] | None = None
        self._request: Received | None = None  # of a call with one request, once it is here
        self._stream = RequestStream(self.acknowledge, self.hold, self.read) if handler.request_streaming else None
        self._answering = False  # the answer's header fields have gone
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._max_bytes = max_bytes
        self._reader = MessageReader(b"identity", max_bytes)

    # What the connection tells

    def start(self) -> None:
        """Look at what the header fields ask for."""
        try:
            named = dict(self._fields)
            if (encoding := named.get(b"grpc-encoding")) is not None:
                self._reader = MessageReader(encoding, self._max_bytes)
            if (timeout := named.get(b"grpc-timeout")) is not None and (seconds := timeout_s(timeout)) < LONGEST_S:
                self._deadline = self._loop.time() + seconds
                self._timer = self._loop.call_later(seconds, self._deadline_passed)
        except MessageError as error:
            self._refuse(error)
            return
        if self._stream is not None:
            self._run(self._stream)

    def receive(self, data: bytes, is_end: bool) -> None:
        """More of the request's body."""
        if self._stream is not None:
            self._stream.owe(len(data))
        else:
            self.acknowledge(len(data))
        try:
            messages = self._reader.feed(data)
            self.hold(len(data) + MESSAGE_BYTES * len(messages))
            if is_end and not self._reader.is_between_messages:
                raise MessageError(grpc.StatusCode.INTERNAL, "the request ends within a message")
            if self._stream is not None:
                self._stream.receive(messages, is_end)
                return
            for message in messages:
                if self._request is not None:
                    raise MessageError(grpc.StatusCode.UNIMPLEMENTED, "more than one request message has come")
                self._request = message
            if is_end and self._request is None:
                raise MessageError(grpc.StatusCode.UNIMPLEMENTED, "no request message has come")
        except MessageError as error:
            self._refuse(error)
            self._cancel()
            return
        if is_end and self._task is None and self._request is not None:
            self._run(self._request)

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._set_ended()
        self._cancel()

    def cut_off(self, code: grpc.StatusCode, details: str, metadata: MetadataItems = ()) -> None:
        """End the call from outside."""
        self.end(code, details, metadata)
        self._cancel()

    # The context that servicers are given

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: MetadataItems = ()) -> NoReturn:
        """End the call with a status that is not OK; raises, so that the servicer ends as well."""
        if code is grpc.StatusCode.OK:
            raise ValueError("abort takes a status that is not OK")
        self.end(code, details, trailing_metadata)
        raise grpc.aio.AbortError

    async def write(self, message: Any) -> None:
        """Send an answer of a stream; waits while the caller does not read."""
        if self.ended:
            raise asyncio.CancelledError
        if not self._answering:
            self._connection.send_response(self, RESPONSE_FIELDS)
            self._answering = True
        self._connection.send_data(self, prefixed(self._serialised(message)))
        await self._connection.drain(self)

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """The caller's metadata; values of keys that end in `-bin` are bytes."""
        return metadata_of(self._fields)

    def time_remaining(self) -> float | None:
        """Seconds until the call's deadline, where it has one."""
        return None if self._deadline is None else max(0.0, self._deadline - self._loop.time())

    # The end

    def end(self, code: grpc.StatusCode, details: str = "", metadata: MetadataItems = ()) -> None:
        """Answer with a status, unless the call has ended."""
        if self.ended:
            return
        fields = status_fields(code, details, metadata)
        if self._answering:
            self._connection.send_trailers(self, fields)
        else:
            self._connection.send_response(self, RESPONSE_FIELDS + fields, is_end=True)
        self._set_ended()

    # What its request stream asks for

    def acknowledge(self, count: int) -> None:
        """Let the caller send so many bytes more."""
        self._connection.acknowledge(self, count)

    def hold(self, count: int) -> None:
        """Hold so many bytes more of the request; less, where it is negative.

        Raises:
            MessageError: RESOURCE_EXHAUSTED, where all calls together would hold too much.
        """
        self._budget.take(count)
        self._held_bytes += count

    def read(self, received: Received) -> Any:
        """A request as its servicer takes it.

        Raises:
            MessageError: It is damaged, too large or of another kind.
        """
        message = self._reader.plain(received)
        if received[0] and self._stream is None:
            self.hold(len(message))
        deserialise = self._handler.request_deserializer
        if deserialise is None:
            return message
        try:
            return deserialise(message)
        except Exception as error:
            raise MessageError(grpc.StatusCode.INTERNAL, f"the request is no message of its kind: {error}") from error

    def _run(self, request: Any) -> None:
        self._task = self._loop.create_task(self._answer(request))

    async def _answer(self, request: Any) -> None:
        try:
            if self._stream is None:
                request = self.read(request)
            if self._handler.response_streaming:
                await self._answer_stream(request)
            else:
                call = self._handler.stream_unary if self._stream is not None else self._handler.unary_unary
                self._answer_one(self._serialised(await call(request, self)))
            self.end(grpc.StatusCode.OK)
        except grpc.aio.AbortError:  # by `abort`, which has ended the call
            self.end(grpc.StatusCode.UNKNOWN, "the call was aborted")
        except MessageError as error:
            self._refuse(error)
        except asyncio.CancelledError:
            self.end(grpc.StatusCode.CANCELLED, "the call was cancelled")
        except Exception as error:
            log.exception("a call's servicer failed")
            self.end(grpc.StatusCode.UNKNOWN, f"unexpected {type(error).__name__}: {error}")

    async def _answer_stream(self, request: Any) -> None:
        call = self._handler.stream_stream if self._stream is not None else self._handler.unary_stream
        answers = call(request, self)
        if not hasattr(answers, "__aiter__"):  # it writes by itself
            await answers
            return
        async with aclosing(answers):
            async for answer in answers:
                await self.write(answer)

    def _answer_one(self, answer: bytes) -> None:
        if self.ended:
            return
        if not self._answering:
            self._connection.send_response(self, RESPONSE_FIELDS)
        self._connection.send_data(self, prefixed(answer))
        self._connection.send_trailers(self, OK_FIELDS)
        self._set_ended()

    def _refuse(self, error: MessageError) -> None:
        self.end(error.code, str(error), error.metadata)

    def _set_ended(self) -> None:
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._stream is not None:
            self._stream.release()
        self._reader.drop()  # as the budget takes its bytes back, whoever still holds the call
        self._budget.give_back(self._held_bytes)
        self._connection.forget(self)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _deadline_passed(self) -> None:
        self.cut_off(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the answer was there")

    def _serialised(self, message: Any) -> bytes:
        write = self._handler.response_serializer
        return message if write is None else write(message)
