"""A small process that answers over HTTP what the workers count: `/metrics`, `/livez`, `/readyz`.

It serves nobody well who is slow, and nobody else badly: a connection is one request, ends after a few seconds whatever
it does, and gives way to newer ones where there are too many.
"""

import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

from serving.telemetry.exposition import CONTENT_TYPE, Exposition
from serving.telemetry.families import SERVING
from serving.telemetry.store import Store

MAX_CONNECTIONS = 32  # a thread each
LONGEST_S = 10.0  # of a connection
SILENT_S = 5.0  # so long one may send or take nothing
TEXT = "text/plain; charset=utf-8"


def monitor(store: Store, listener: socket.socket) -> None:
    """Answer on a listening socket until SIGTERM."""
    MonitorServer(store, listener).serve_forever(poll_interval=0.5)


class MonitorServer(ThreadingHTTPServer):
    """Answers from a store.

    Args:
        store: What to tell.
        listener: Where; it listens already.
        longest_s: See `LONGEST_S`.
    """

    def __init__(self, store: Store, listener: socket.socket, longest_s: float = LONGEST_S) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._store, self._exposition = store, Exposition(store)
        self._longest_s = longest_s
        self._connections: dict[socket.socket, float] = {}  # since when, the oldest first
        self._lock = Lock()  # they come in one thread and go in others
        self._writing = Lock()  # however many ask at once, one core is enough

    def metrics(self) -> bytes:
        """In Prometheus' text format."""
        with self._writing:
            return self._exposition.text()

    def is_ready(self) -> bool:
        """Whether a worker serves."""
        return any(value > 0 for (value,) in self._store.sums(SERVING).values())

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection, and let the oldest go where there are too many."""
        with self._lock:
            if len(self._connections) >= MAX_CONNECTIONS:
                self._cut_off(next(iter(self._connections)))
            self._connections[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection has been answered, or has failed."""
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Let those go that have been there for too long; called about twice a second."""
        with self._lock:
            for connection, since in list(self._connections.items()):
                if time.monotonic() - since > self._longest_s:
                    self._cut_off(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""

    def _cut_off(self, connection: socket.socket) -> None:
        del self._connections[connection]
        try:
            connection.shutdown(socket.SHUT_RDWR)  # its thread fails, and closes it
        except OSError:
            return  # it is closed


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = SILENT_S
    server: MonitorServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, self.server.metrics(), CONTENT_TYPE)
        elif path == "/livez":
            self._answer(200, b"live\n")
        elif path == "/readyz":
            is_ready = self.server.is_ready()
            self._answer(200 if is_ready else 503, b"ready\n" if is_ready else b"no worker serves\n")
        else:
            self._answer(404, b"there are /metrics, /livez and /readyz\n")

    do_HEAD = do_GET  # noqa: N815  (http.server's name)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who asks, asks all the time."""

    def _answer(self, status: int, body: bytes, content_type: str = TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
