"""A Unix socket as a server's port: its file is nobody else's, and a dead server's is no hindrance."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def listen(path: Path, backlog: int) -> socket.socket:
    """Listen where nobody does, in the place of a socket that a dead server has left.

    Raises:
        OSError: EADDRINUSE where somebody listens, or where there is a file of another kind.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        with _alone_in(path.parent):
            if _is_left_over(path):
                path.unlink()
            listener.bind(str(path))
            listener.listen(backlog)  # until then, it would be taken for a dead server's
    except OSError:
        listener.close()
        raise
    return listener


def remove(path: Path) -> None:
    """Remove the file of a socket on which nobody listens any more; another server may by now."""
    with suppress(OSError), _alone_in(path.parent):
        if _is_left_over(path):
            path.unlink()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Between a look at a file and what is done with it, no other server of ours does anything in its folder."""
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_left_over(path: Path) -> bool:
    """Whether it is a socket on which nobody listens."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as caller:
        caller.setblocking(False)  # somebody who is busy listens all the same
        return caller.connect_ex(str(path)) == errno.ECONNREFUSED
