"""The server's port: nobody else's, and shared by its own workers."""

import errno
import os
import socket
import sys
from pathlib import Path

from serving.address import UNIX
from serving.process import unix_socket

BACKLOG = 1024
LONGEST_PATH = 107 if sys.platform == "linux" else 103  # of a Unix socket, in bytes


class PortError(Exception):
    """The address cannot be listened on."""


def reserve(host: str, port: int, setting: str = "port") -> socket.socket:
    """A listening socket on a port that nobody else listens on. Port 0: a free one.

    It begins to listen at once: only then can no other server come in between, even one that shares its port.

    Args:
        host: A name or an address; or `unix:` and the path of a Unix socket.
        port: Of a host.
        setting: The name of that which the port comes from.

    Raises:
        PortError: With the system's own reason.
    """
    try:
        if host.startswith(UNIX):
            return unix_socket.listen(_unix_path(host), BACKLOG)
        return _listen(host, port)
    except OSError as error:
        reason = "Address already in use" if error.errno == errno.EADDRINUSE else error.strerror or error
        where = host if host.startswith(UNIX) else f"{host} port {port}"
        raise PortError(
            f"cannot listen on {where}: {reason}; choose another with --host and --{setting.replace('_', '-')} "
            f"(DIGITFORGE_HOST and DIGITFORGE_{setting.upper()})"
        ) from error


def release(address: str) -> None:
    """Once nobody listens there any more: leave nothing behind, such as a Unix socket's file."""
    if address.startswith(UNIX):
        unix_socket.remove(Path(address.removeprefix(UNIX)))


def share(listener: socket.socket, count: int) -> list[socket.socket]:
    """A reserved socket and `count - 1` more on its port, among which the system spreads new connections.

    Of a Unix socket there is one: all take their connections from it.
    """
    if listener.family == socket.AF_UNIX:
        return [listener] * count
    sharers = [listener]
    for _ in range(count - 1):
        other = _beside(listener)
        other.listen(BACKLOG)
        sharers.append(other)
    return sharers


def hold(listener: socket.socket) -> socket.socket:
    """A socket in a reserved one's place, which keeps its port and takes no connections.

    For servers that listen by themselves, on sockets of their own that share the port by SO_REUSEPORT. Meanwhile no
    other server of ours gets it, nor another user's; only one of this user's that shares its port as well may join.
    A Unix socket is given back as it is: its path belongs to whoever was the last to bind it.
    """
    if listener.family == socket.AF_UNIX:
        return listener
    holder = _beside(listener)
    # Needed for the bind alone: kept, it would let anybody in while nobody listens.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    listener.close()
    return holder


def _unix_path(host: str) -> Path:
    """Raises OSError where no socket can have this path."""
    path = host.removeprefix(UNIX)
    if not path:
        raise OSError("a path is missing, as in unix:/run/digitforge/socket")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(f"the path has {len(os.fsencode(path))} bytes, and may have {LONGEST_PATH}")
    if Path(path).is_dir():
        raise OSError("it is a folder")
    return Path(path)


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are over do not count
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # :: is every interface, IPv4 as well
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _beside(listener: socket.socket) -> socket.socket:
    """One more socket, bound where a reserved one is, that does not listen."""
    # Set after it was bound: from here on others of this user's may join, but every server of ours reserves first.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    other = socket.socket(listener.family, listener.type, listener.proto)
    for option in (socket.SO_REUSEPORT, socket.SO_REUSEADDR):  # the latter for its connections, once they are over
        other.setsockopt(socket.SOL_SOCKET, option, 1)
    if listener.family == socket.AF_INET6:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    other.bind(listener.getsockname())
    return other
