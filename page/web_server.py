"""The HTTP server: uvicorn, with a socket of ours, and an end that streams do not hold up."""

import signal
import socket

import uvicorn
from fastapi import FastAPI

from page.parts import Parts
from page.punctual_protocol import PunctualProtocol

BACKLOG = 1024
MOST_CONNECTIONS = 512
IDLE_S = 30
GRACE_S = 5  # that answers get at the end


class PortError(Exception):
    """The page cannot listen there."""


class WebServer(uvicorn.Server):
    """Serves an application until it is interrupted.

    Args:
        app: The page's.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                http=PunctualProtocol,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=IDLE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until SIGINT or SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):  # which uvicorn raises once more when it is done
            signal.signal(number, lambda *_: None)
        self.run(sockets=[listener])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; but first the run ends that visitors may be watching, and their streams with it."""
        parts: Parts = self._app.state.parts
        if parts.trainer is not None:
            await parts.trainer.stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0: a free one.

    Raises:
        PortError: It cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        raise PortError(f"cannot listen on {host} port {port}: {reason}; choose another with --port") from error


def url_of(listener: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
