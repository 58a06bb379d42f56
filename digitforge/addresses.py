"""How a server's address is written: a host and a port, or a Unix socket. gRPC takes it so."""

import re

PORT = 50051  # the server's default
UNIX = "unix:"  # and then a path
HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]]+)(?::([0-9]+))?")  # an IPv6 address stands in brackets


def parse_address(text: str) -> str:
    """A host and a port; without one, the server's usual port. Or `unix:` and the path of a Unix socket.

    Raises:
        ValueError: It is none.
    """
    if (path := text.strip()).startswith(UNIX) and path != UNIX:
        return path
    found = HOST_AND_PORT.fullmatch(text.strip())
    if found is None or not 1 <= int(found[2] or PORT) <= 65535:
        raise ValueError(
            f"{text!r} is no address: one is HOST:PORT, such as localhost:{PORT} or [::1]:{PORT}, or unix:PATH"
        )
    return f"{found[1]}:{found[2] or PORT}"
