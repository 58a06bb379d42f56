"""What a transport tells of its connections and calls."""

from typing import Any, Protocol

import grpc


class CallObserver(Protocol):
    """Is told of the calls of one method."""

    def began(self, context: Any) -> Any:
        """A handler begins; told in its own task.

        Args:
            context: A grpc.aio.ServicerContext.

        Returns:
            What `ended` is to be given.
        """

    def ended(self, call: Any, code: grpc.StatusCode, received: int, sent: int) -> None:
        """The handler has ended.

        Args:
            call: What `began` returned.
            code: The call's status.
            received: Bytes of its requests, as the handler took them.
            sent: Bytes of its answers, as the handler gave them.
        """


class Observer(Protocol):
    """Is told of connections, of calls, and of those that were refused before any servicer was asked."""

    def method(self, name: str) -> CallObserver:
        """Who is told of the calls of a method that is served, such as `digits.v1.Digits/Generate`."""

    def connection_opened(self) -> None:
        """A client has connected."""

    def connection_closed(self) -> None:
        """A connection is gone."""

    def call_refused(self, path: str, code: grpc.StatusCode, reason: str, seconds: float, context: Any) -> None:
        """A call got its status from the transport.

        Args:
            path: As the caller wrote it: any text, of at most the header fields' limit.
            code: Its status.
            reason: A word of few that there are: `method`, `headers`, `unread`, `request`, `budget`, `slow`.
            seconds: Since its header fields came.
            context: A grpc.aio.ServicerContext.
        """


class Nobody:
    """Is told, and passes it over."""

    def method(self, name: str) -> "Nobody":  # noqa: ARG002
        return self

    def began(self, context: Any) -> None: ...

    def ended(self, call: Any, code: grpc.StatusCode, received: int, sent: int) -> None: ...

    def connection_opened(self) -> None: ...

    def connection_closed(self) -> None: ...

    def call_refused(self, path: str, code: grpc.StatusCode, reason: str, seconds: float, context: Any) -> None: ...
