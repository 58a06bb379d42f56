"""Ctrl-C ends a command at once, in a word and with its own exit code."""

import os
import signal
import sys

INTERRUPTED = 130


def end_at_ctrl_c() -> None:
    """From here on, instead of raising KeyboardInterrupt.

    Libraries that are being imported make of an exception another one, or pass it over; and a call of gRPC's that it
    meets as it begins is never told its end, which closing the channel would wait for.
    """
    # Also where SIGINT is ignored, as by what a shell starts in its background: who sends it means it.
    signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    os.write(sys.stderr.fileno(), b"interrupted\n")
    os._exit(INTERRUPTED)
