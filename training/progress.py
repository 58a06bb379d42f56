"""How far something has come: a bar on a terminal, and anywhere else, in a log file for one, a line now and then."""

import os
import sys
from typing import Any, TextIO

from tqdm import tqdm

LINE_S = 30.0  # seconds between two lines where there is no terminal
LINE = "{desc}: {percentage:.0f}%, {n_fmt} of {total_fmt} {unit} in {elapsed}, {remaining} left{postfix}"


def progress(total: float, what: str, unit: str, initial: float = 0, shown: bool = True) -> "tqdm[Any]":
    """A bar for `total` units, of which `initial` are done; `update` tells of more. Use it as a context manager.

    It writes to stderr. A bar follows the width of the terminal, also where that changes. Without a terminal, what is
    done within `LINE_S` seconds says nothing.

    Args:
        total: How many units there are.
        what: What is being done.
        unit: What is counted.
        initial: Units that are done already.
        shown: Whether to show it at all.
    """
    options: dict[str, Any] = {
        "total": total,
        "desc": what,
        "unit": unit,
        "initial": initial,
        "unit_scale": total >= 1000,
    }
    if not shown:
        return _Bar(**options, disable=True)
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _Bar(**options, dynamic_ncols=True)
    lines: Any = _Lines(sys.stderr)
    return _Bar(**options, file=lines, bar_format=LINE, delay=LINE_S, mininterval=LINE_S, miniters=1)


class _Bar(tqdm):  # type: ignore[type-arg]  # it is no generic class where it is run
    """A bar that stays at its end where the last step goes beyond: tqdm would know of no end any more."""

    def update(self, n: float | None = 1) -> bool | None:
        left = (self.total or 0) - self.n
        return super().update(min(n or 0, left))


class _Lines:
    """What tqdm writes, with a new line in the place of each return to the beginning of one."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.encoding = file.encoding

    def write(self, text: str) -> None:
        if line := text.strip():
            self.file.write(f"{line}\n")

    def flush(self) -> None:
        self.file.flush()
