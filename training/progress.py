"""How far something has come: a bar on a terminal, and anywhere else, in a log file for one, a line now and then."""

import os
import sys
from typing import Any, TextIO

from tqdm import tqdm

LINE_S = 30.0  # seconds between two lines where there is no terminal
LINE = "{desc}: {percentage:.0f}%, {n_fmt} of {total_fmt} {unit} in {elapsed}, {left} left{postfix}"
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{left}, {rate_fmt}{postfix}]"


def progress(
    total: float,
    what: str,
    unit: str,
    initial: float = 0,
    shown: bool = True,
    expected_s: float = 0.0,
    later_s: float = 0.0,
) -> "tqdm[Any]":
    """A bar for `total` units, of which `initial` are done; `update` tells of more. Use it as a context manager.

    It writes to stderr. A bar follows the width of the terminal, also where that changes. Without a terminal, what is
    done within `LINE_S` seconds says nothing.

    Args:
        total: How many units there are.
        what: What is being done.
        unit: What is counted.
        initial: Units that are done already.
        shown: Whether to show it at all.
        expected_s: Seconds that what is left of it was thought to take.
        later_s: Seconds that what comes after it was thought to take; that is part of what is left, and takes as much
            longer as this does.
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
        bar = _Bar(**options, bar_format=BAR, dynamic_ncols=True)
    else:
        lines: Any = _Lines(sys.stderr)
        bar = _Bar(**options, file=lines, bar_format=LINE, delay=LINE_S, mininterval=LINE_S, miniters=1)
    bar.expected_s, bar.later_s = expected_s, later_s
    return bar


class _Bar(tqdm):  # type: ignore[type-arg]  # it is no generic class where it is run
    """A bar that stays at its end where the last step goes beyond: tqdm would know of no end any more."""

    expected_s = later_s = 0.0

    @property
    def format_dict(self) -> dict[str, Any]:
        """What its text is made of, with `left`: the time that this and what comes after it will take."""
        content: dict[str, Any] = dict(super().format_dict)
        seconds = left_s(
            content["total"], content["n"], self.initial, content["elapsed"], self.expected_s, self.later_s
        )
        return {**content, "left": "?" if seconds is None else tqdm.format_interval(seconds)}

    def update(self, n: float | None = 1) -> bool | None:
        left = (self.total or 0) - self.n
        return super().update(min(n or 0, left))


def left_s(
    total: float, done: float, initial: float, elapsed_s: float, expected_s: float, later_s: float
) -> float | None:
    """Seconds until all is done, what comes after included; None where nothing tells.

    Args:
        total: All units.
        done: Those that are done.
        initial: Those that were done when it began.
        elapsed_s: Seconds since then.
        expected_s: As `progress` has it.
        later_s: Likewise.
    """
    if done <= initial or total <= initial:
        return expected_s + later_s if expected_s else None
    all_s = elapsed_s * (total - initial) / (done - initial)
    pace = all_s / expected_s if expected_s else 1.0
    return all_s - elapsed_s + later_s * pace


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
