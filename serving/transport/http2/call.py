"""One call: what has come of its request, its servicer's task, and what has gone of its answer.

It is also the context that the servicer is given: a `ServicerContext` as grpc.aio has it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, NoReturn, Protocol, TypeAlias

import grpc

from serving.transport.http2.budget import Account
from serving.transport.http2.context import Context
from serving.transport.http2.messages import (
    ENCODINGS,
    FIRST_STEP_BYTES,
    STEP_BYTES,
    Block,
    Fields,
    MessageError,
    MessageReader,
    MetadataItems,
    Received,
    deflated,
    metadata_fields,
    prefix,
    prefixed,
    status_fields,
    timeout_s,
)
from serving.transport.http2.request_stream import MESSAGE_BYTES, RequestStream
from serving.transport.limits import Limits
from serving.transport.observer import CallObserver

log = logging.getLogger(__name__)

Handler: TypeAlias = Any  # a grpc.RpcMethodHandler, whose four kinds of behaviour its stubs cannot tell apart
RESPONSE_FIELDS = [
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b",".join(ENCODINGS)),
]
OK_FIELDS = [(b"grpc-status", b"0")]
LONGEST_S = 10 * 365 * 86_400.0  # a longer timeout is none: no timer reaches further
LARGE_BYTES = 1 << 20  # a message beyond is parsed in a thread
LARGE_ANSWER_BYTES = 64 * 1024  # an answer beyond is not copied, and compressed in a thread
FRAME_BYTES = 64  # that a frame of a message has on average, or its connection ends; but for ...
SMALL_FRAMES = 1024  # ... so many


class Carrier(Protocol):
    """What a call asks of the connection that it came on."""

    loop: asyncio.AbstractEventLoop
    limits: Limits
    account: Account
    peer: str

    def begin(self, call: "Call") -> None:
        """Run a call, now or later: all is there that its servicer begins with."""

    def send_response(self, call: "Call", fields: Fields, is_end: bool = False) -> None:
        """The answer's header fields; they are the whole answer where nothing follows."""

    def send_data(self, call: "Call", data: bytes) -> None:
        """Some of the answer's body."""

    def send_answer(self, call: "Call", head: Fields, body: bytes, trailers: Fields) -> None:
        """All of a small answer at once."""

    def check_unread(self) -> None:
        """Raises MessageError, RESOURCE_EXHAUSTED, where too much waits to be read already."""

    def send_trailers(self, call: "Call", fields: Fields) -> None:
        """The answer's end."""

    def acknowledge(self, call: "Call", count: int) -> None:
        """Let the client send so many bytes more of a call."""

    async def drain(self, call: "Call") -> None:
        """Let others write, and wait until what is to be sent of a call is little."""

    def reset_unsent(self, call: "Call") -> bool:
        """End a call's stream where some of its answer waits to be read; whether it did."""

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Do what takes long beside the event loop."""

    def refused(self, call: "Call", error: MessageError) -> None:
        """Tell whoever counts that a call gets its status from here."""

    def forget(self, call: "Call") -> None:
        """A call has been answered, or abandoned."""


class Call(Context):
    """A call from the moment that its header fields have come.

    Args:
        connection: Sends and acknowledges.
        stream_id: The call's stream on it.
        path: The method's, as the caller wrote it.
        handler: What answers.
        observer: Is told of it.
        fields: The request's header fields.
        max_bytes: Size of a request message at most.
        encoding: Of answers, where the caller accepts it.
    """

    _received_bytes = _sent_bytes = 0  # of its messages, before compression

    def __init__(
        self,
        connection: Carrier,
        stream_id: int,
        path: bytes,
        handler: Handler,
        observer: CallObserver,
        fields: Fields,
        max_bytes: int,
        encoding: bytes | None,
    ) -> None:
        super().__init__(connection.loop, fields, connection.peer, encoding)
        self.stream_id, self.path = stream_id, path
        self.held_bytes = 0  # of the connection's account
        self.request_ended = False
        self.is_endless = False  # it ends with the connection alone
        self.is_begun = False  # by its servicer's task
        self._connection = connection
        self._handler, self._observer = handler, observer
        self._task: asyncio.Task[None] | None = None
        self._request: Received | None = None  # of a call with one request, once it is here
        self._stream = (
            RequestStream(self.acknowledge, self.hold, self.read_message) if handler.request_streaming else None
        )
        self._timer: asyncio.TimerHandle | None = None
        self._max_bytes = max_bytes
        self._reader = MessageReader(b"identity", max_bytes)
        self.began = self._message_began = self._loop.time()  # the one that is coming ...
        self._message_bytes = self._message_frames = 0  # ... and what has come of it

    # What the connection tells

    def start(self, named: Mapping[bytes, bytes]) -> None:
        """Look at what the header fields, by their names, ask for."""
        try:
            if (encoding := named.get(b"grpc-encoding")) is not None:
                self._reader = MessageReader(encoding, self._max_bytes)
            if (timeout := named.get(b"grpc-timeout")) is not None and (seconds := timeout_s(timeout)) < LONGEST_S:
                self.deadline = self._loop.time() + seconds
                self._timer = self._loop.call_later(seconds, self._deadline_passed)
        except MessageError as error:
            self.refuse(error)
            return
        if self._stream is not None:
            self._connection.begin(self)

    def receive(self, data: bytes, is_end: bool) -> bool:
        """More of the request's body.

        Returns:
            Whether it came as bodies do, and not in very many very small frames.
        """
        self.request_ended = is_end
        if self._stream is not None:
            self._stream.owe(len(data))
        else:
            self.acknowledge(len(data))
        try:
            block = self._reader.feed(data)
            self.hold(len(data) + MESSAGE_BYTES * block.messages)
            if is_end and not self._reader.is_between_messages:
                raise MessageError(grpc.StatusCode.INTERNAL, "the request ends within a message")
            if self._stream is not None:
                self._stream.receive(block, is_end)
            else:
                self._receive_one(block, is_end)
        except MessageError as error:
            self.refuse(error)
            self._cancel()
            return True
        if block.messages:
            self._message_bytes = self._message_frames = 0
            return True
        self._message_frames += 1
        if self._message_frames == 1:
            self._message_began = self._loop.time()
        self._message_bytes += len(data)
        return self._message_frames < SMALL_FRAMES + self._message_bytes // FRAME_BYTES

    def _receive_one(self, block: Block, is_end: bool) -> None:
        if block.messages:
            if block.messages > 1 or self._request is not None:
                raise MessageError(grpc.StatusCode.UNIMPLEMENTED, "more than one request message has come")
            self._request, _ = block.part(0)
        if is_end and self._task is None:
            if self._request is None:
                raise MessageError(grpc.StatusCode.UNIMPLEMENTED, "no request message has come")
            self._connection.begin(self)

    def run(self) -> None:
        """Begin its servicer."""
        self._task = self._loop.create_task(self._answer(self._stream or self._request))

    def look_at_clock(self, now: float) -> None:
        """End the call where its request does not come; where its servicer does not take it, the caller may rest."""
        if self.request_ended or (self._stream is not None and (self._stream.is_held_back or not self._message_frames)):
            self._message_began = now
            return
        limits = self._connection.limits
        allowed = limits.request_s + self._message_bytes / limits.request_bytes_per_s
        if now - self._message_began > allowed:
            late = MessageError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"{self._message_bytes} bytes of a request message came in {now - self._message_began:.0f} s, and it "
                f"may take {limits.request_s:g} s and a second for {limits.request_bytes_per_s} bytes",
                reason="slow",
            )
            self.refuse(late)
            self._cancel()

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._abandoned = True
        self._set_ended()
        self._cancel()

    def cut_off(self, code: grpc.StatusCode, details: str, metadata: MetadataItems = ()) -> None:
        """End the call from outside."""
        self.end(code, details, metadata)
        self._cancel()

    def shed(self) -> None:
        """End the call, since others need the room that it takes."""
        details = f"the server needs the room of the {self.held_bytes} bytes of this request; try again later"
        self.refuse(MessageError(grpc.StatusCode.RESOURCE_EXHAUSTED, details, reason="budget"))
        self._cancel()

    # The context that servicers are given, where it sends or waits

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: MetadataItems = ()) -> NoReturn:
        """End the call with a status that is not OK; raises, so that the servicer ends as well.

        What was set of details and metadata before stands where none are given.
        """
        if code is grpc.StatusCode.OK:
            raise ValueError("abort takes a status that is not OK")
        self.end(code, details or self._details, tuple(trailing_metadata) or self._trailing)
        raise grpc.aio.AbortError

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        """End the call with a status that is not OK; raises, so that the servicer ends as well."""
        await self.abort(status.code, status.details, status.trailing_metadata or ())

    async def send_initial_metadata(self, initial_metadata: MetadataItems) -> None:
        """Begin the answer.

        Raises:
            grpc.aio.UsageError: It has begun.
        """
        if self._answering:
            raise grpc.aio.UsageError("the initial metadata has been sent already")
        self._begin(initial_metadata)

    async def read(self) -> Any:
        """The next request of a stream; `grpc.aio.EOF` after the last."""
        if self._stream is None:
            return grpc.aio.EOF
        return await anext(self._stream, grpc.aio.EOF)

    async def write(self, message: Any) -> None:
        """Send an answer of a stream; waits while the caller does not read."""
        if self.ended:
            raise asyncio.CancelledError
        frame = await self._framed(self._serialised(message))
        if not self._answering:
            self._begin()
        for part in frame:
            self._connection.send_data(self, part)
        await self._connection.drain(self)

    # The end

    def end(self, code: grpc.StatusCode, details: str = "", metadata: MetadataItems = ()) -> None:
        """Answer with a status, unless the call has ended."""
        if self.ended:
            return
        fields = self._decided(code, details, metadata)
        if self._answering:
            self._connection.send_trailers(self, fields)
        else:
            self._connection.send_response(self, RESPONSE_FIELDS + fields, is_end=True)
        self._set_ended()

    def _decided(self, code: grpc.StatusCode, details: str, metadata: MetadataItems) -> Fields:
        """The trailers of a status that is the call's from now on."""
        self._code, self._details, self._trailing = code, details, metadata
        is_plain_ok = code is grpc.StatusCode.OK and not details and not metadata
        return OK_FIELDS if is_plain_ok else status_fields(code, details, metadata)

    def refuse(self, error: MessageError) -> None:
        """End the call by a status that is none of its servicer's."""
        if not self.ended:
            self._connection.refused(self, error)
            self.end(error.code, str(error), error.metadata)

    # What its request stream asks for

    def acknowledge(self, count: int) -> None:
        """Let the caller send so many bytes more."""
        self._connection.acknowledge(self, count)

    def hold(self, count: int) -> None:
        """Hold so many bytes more of the request; less, where it is negative.

        Raises:
            MessageError: RESOURCE_EXHAUSTED, where all calls together would hold too much.
        """
        if not self.ended:
            self._connection.account.take(self, count)

    async def read_message(self, received: Received) -> Any:
        """A request as its servicer takes it; what takes long is done in steps, in a thread.

        Raises:
            MessageError: It is damaged, too large or of another kind.
        """
        message = received[1]
        if received[0]:
            message = await self._inflated(received)
        if len(message) > LARGE_BYTES:
            return await self._connection.in_thread(lambda: self._parsed(bytes(message)))
        return self._parsed(bytes(message))

    async def _inflated(self, received: Received) -> bytes:
        inflation = self._reader.inflation(received)
        held = count = inflation.step(FIRST_STEP_BYTES)
        wanted = FIRST_STEP_BYTES
        try:
            self.hold(held)
            while count == wanted:
                wanted = STEP_BYTES
                count = await self._connection.in_thread(partial(inflation.step, wanted))
                self.hold(count)
                held += count
            return inflation.plain()
        finally:
            if self._stream is not None:  # the others give it back with all that they hold
                self.hold(-held)

    def _parsed(self, message: bytes) -> Any:
        deserialise = self._handler.request_deserializer
        self._received_bytes += len(message)
        if deserialise is None:
            return message
        try:
            return deserialise(message)
        except Exception as error:
            raise MessageError(grpc.StatusCode.INTERNAL, f"the request is no message of its kind: {error}") from error

    async def _answer(self, request: Any) -> None:
        self.is_begun = True
        is_told, told = False, None
        try:
            if self._stream is None:
                is_small = not request[0] and len(request[1]) <= LARGE_BYTES
                request = self._parsed(bytes(request[1])) if is_small else await self.read_message(request)
                self._request = None
                self.hold(-self.held_bytes)  # of the request as it came; what its servicer keeps is its own
            is_told, told = True, self._observer.began(self)
            if self._handler.response_streaming:
                await self._answer_stream(request)
            else:
                call = self._handler.stream_unary if self._stream is not None else self._handler.unary_unary
                answer = await call(request, self)
                if not self.ended and (self._code is None or self._code is grpc.StatusCode.OK):
                    message = self._serialised(answer)
                    if self._encoding is None and not self._answering and len(message) <= LARGE_ANSWER_BYTES:
                        self._send_whole(message)  # most answers
                    else:
                        self._send_one(await self._framed(message))
            self.end(self._code or grpc.StatusCode.OK, self._details, self._trailing)
        except grpc.aio.AbortError:  # by `abort`, which has ended the call
            self.end(grpc.StatusCode.UNKNOWN, "the call was aborted")
        except MessageError as error:
            self.refuse(error)
        except asyncio.CancelledError:
            self.end(grpc.StatusCode.CANCELLED, "the call was cancelled")
        except Exception as error:
            log.exception("a call's servicer failed")
            code = self._code or grpc.StatusCode.UNKNOWN
            self.end(code, f"unexpected {type(error).__name__}: {error}", self._trailing)
        finally:
            self._stream = None  # it knows this call: a ring, which only Python's garbage collector would find
            if is_told:
                self._observer.ended(told, self._outcome(), self._received_bytes, self._sent_bytes)

    def _outcome(self) -> grpc.StatusCode:
        """The status of a call that has ended, also where its caller does not hear of it."""
        if self._abandoned:
            is_late = self.time_remaining() == 0
            return grpc.StatusCode.DEADLINE_EXCEEDED if is_late else grpc.StatusCode.CANCELLED
        return self._code or grpc.StatusCode.UNKNOWN

    async def _answer_stream(self, request: Any) -> None:
        call = self._handler.stream_stream if self._stream is not None else self._handler.unary_stream
        answers = call(request, self)
        if not hasattr(answers, "__aiter__"):  # it writes by itself
            await answers
            return
        async with aclosing(answers):
            async for answer in answers:
                await self.write(answer)

    def _send_whole(self, message: bytes) -> None:
        """Answer with a small message and OK."""
        self._connection.check_unread()
        trailers = self._decided(grpc.StatusCode.OK, self._details, self._trailing)
        self._connection.send_answer(self, RESPONSE_FIELDS, prefixed(message), trailers)
        self._set_ended()

    def _send_one(self, frame: tuple[bytes, ...]) -> None:
        if self.ended:
            return
        self._connection.check_unread()
        if not self._answering:
            self._begin()
        for part in frame:
            self._connection.send_data(self, part)

    def _begin(self, metadata: MetadataItems = ()) -> None:
        """Send the answer's header fields."""
        fields = RESPONSE_FIELDS
        if self._encoding is not None:
            fields = [*fields, (b"grpc-encoding", self._encoding)]
        if metadata:
            fields = fields + metadata_fields(metadata)
        self._connection.send_response(self, fields)
        self._answering = True

    async def _framed(self, message: bytes) -> tuple[bytes, ...]:
        """An answer as it goes on the wire, in one part or two: a large one is not copied."""
        encoding = None if self._next_is_plain else self._encoding
        self._next_is_plain = False
        if encoding is None:
            if len(message) <= LARGE_ANSWER_BYTES:
                return (prefixed(message),)
            return prefix(len(message)), message
        if len(message) <= LARGE_ANSWER_BYTES:
            return (deflated(message, encoding),)
        return (await self._connection.in_thread(partial(deflated, message, encoding)),)

    def _set_ended(self) -> None:
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._stream is not None:
            self._stream.release()
        self._reader.drop()  # as the budget takes its bytes back, whoever still holds the call
        self._request = None
        if self.held_bytes:
            self._connection.account.take(self, -self.held_bytes)
        self._connection.forget(self)
        for callback in self._done_callbacks:
            self._loop.call_soon(callback, self)
        self._done_callbacks.clear()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _deadline_passed(self) -> None:
        if self._answering and self._connection.reset_unsent(self):  # nobody reads it, and its status would not pass it
            self.abandon()
        else:
            self.cut_off(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline passed before the answer was there")

    def _serialised(self, message: Any) -> bytes:
        if (write := self._handler.response_serializer) is not None:
            message = write(message)
        self._sent_bytes += len(message)
        return message
