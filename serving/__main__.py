"""`digitforge-serve`, or `python -m serving`."""

import os
import signal
import sys
from typing import Any

INTERRUPTED = 130


def main() -> int:
    """Run the command. Ctrl-C ends it cleanly from the first moment; once it serves, the command takes it over."""
    # Also where SIGINT is ignored, as by what a shell starts in its background: who sends it means it.
    signal.signal(signal.SIGINT, _end)
    from serving.command import main as command

    return command()


def _end(*_: Any) -> None:
    """At once: libraries that are being imported make of an exception another one, or pass it over."""
    os.write(sys.stderr.fileno(), b"interrupted\n")
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
