"""What a transport tells of what no servicer sees."""

from typing import Any, Protocol

import grpc


class Observer(Protocol):
    """Is told of connections, and of calls that were refused before any servicer was asked."""

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

    def connection_opened(self) -> None: ...

    def connection_closed(self) -> None: ...

    def call_refused(self, path: str, code: grpc.StatusCode, reason: str, seconds: float, context: Any) -> None: ...
