"""How the address of a listening socket is written: as gRPC's clients take it."""

import socket

from digitforge.addresses import UNIX

__all__ = ["UNIX", "address_of"]


def address_of(listener: socket.socket) -> str:
    """Where a socket listens, such as `127.0.0.1:50051`, `[::1]:50051` or `unix:/run/digitforge.sock`."""
    if listener.family == socket.AF_UNIX:
        return f"{UNIX}{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
