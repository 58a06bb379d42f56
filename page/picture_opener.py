"""The child that opens visitors' pictures: `python -m page.picture_opener`, one after the other from stdin to stdout.

A picture comes as its length in 4 bytes and its bytes; the answer is `+` and the file for the server, or `-` and why
not, with its length before it. The end of stdin, which also comes when the page is gone, is its end.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from digitforge.pictures.errors import PictureError
from digitforge.pictures.files import prepare_file

LENGTH_BYTES = 4
OPENED, REFUSED = b"+", b"-"
MEMORY_BYTES = 2 << 30  # of addresses, libraries included


def main() -> None:
    """Open pictures until there are none."""
    limit_memory()
    go_first()
    to = sys.stdout.buffer
    while (data := read(sys.stdin.buffer)) is not None:
        try:
            kind, answer = OPENED, prepare_file(data)
        except PictureError as error:
            kind, answer = REFUSED, str(error).encode()
        except MemoryError:
            sys.exit(1)  # and the next picture gets a process that is whole
        to.write(kind + len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
        to.flush()


def read(pictures: BinaryIO) -> bytes | None:
    """The next picture; None at the end."""
    length = pictures.read(LENGTH_BYTES)
    return pictures.read(int.from_bytes(length, "big")) if length else None


def limit_memory() -> None:
    """Where the system has such a limit."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def go_first() -> None:
    """Where Linux runs short of memory, have it end this process before the page or the server."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
