"""A command that ends with the page: `python -m page.tied PID COMMAND ...`.

The page ends its children itself; where it is killed and cannot, Linux sends them SIGTERM.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)
NICENESS = 10


BACKGROUND = "--background"


def tied(command: str, *arguments: str, in_background: bool = False) -> list[str]:
    """The command line that runs one of the project's commands, tied to this process.

    Args:
        command: Its name, such as `digitforge-train`; it lies beside the interpreter.
        arguments: Of it.
        in_background: It takes half of the cores, and those only where nobody else wants them.
    """
    path = Path(sys.executable).with_name(command)
    how = [BACKGROUND] if in_background else []
    return [sys.executable, "-m", "page.tied", *how, str(os.getpid()), str(path), *arguments]


def main(arguments: Sequence[str]) -> None:
    """Become the command."""
    if arguments[0] == BACKGROUND:
        arguments = arguments[1:]
        stand_back()
    page, *command = arguments
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != int(page):  # it ended before
            sys.exit(0)
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"digitforge-page: {command[0]} cannot be started: {error.strerror}")


def stand_back() -> None:
    """Leave the machine to others: a server, and the page."""
    if sys.platform == "win32":
        return
    os.nice(NICENESS)
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[len(cores) // 2 :])


if __name__ == "__main__":
    main(sys.argv[1:])
