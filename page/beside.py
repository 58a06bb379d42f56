"""The server of digits beside the page, for who wants both by one command."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from digitforge.addresses import UNIX
from page.tied import tied

GRACE_S = 40.0  # after which a server that is asked to stop is killed; it gives its calls 30
GREETING = " serves on "


class ServerEndedError(Exception):
    """The server ended by itself, and has said why."""


class Beside:
    """A running `digitforge-serve`.

    Args:
        address: Where it is to serve: HOST:PORT, or `unix:` and a path.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        where = ["--host", address] if address.startswith(UNIX) else ["--host", host.strip("[]"), "--port", port]
        self._process = subprocess.Popen(
            tied("digitforge-serve", *where),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is the page's, which ends both
        )
        self._is_stopping = False

    def wait_until_it_serves(self) -> None:
        """Tell what it says until it serves.

        Raises:
            ServerEndedError: It does not.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            print(line, end="", flush=True)
            if GREETING in line:
                return
        self._process.wait()
        raise ServerEndedError

    def watch(self, on_end: Callable[[], None]) -> None:
        """Go on telling what it says; call `on_end`, in another thread, if it ends by itself."""

        def follow() -> None:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                print(line, end="", flush=True)
            self._process.wait()
            if not self._is_stopping:
                on_end()

        threading.Thread(target=follow, name="server", daemon=True).start()

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._is_stopping = True
        self._process.terminate()
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def server_beside(address: str) -> Iterator[Beside]:
    """A server that serves there, and ends with this block.

    Raises:
        ServerEndedError: It does not serve, as where the port is taken.
    """
    server = Beside(address)
    try:
        server.wait_until_it_serves()
        yield server
    finally:
        server.stop()
