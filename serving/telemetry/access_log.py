"""A line a call on standard error: what was asked, what came of it, and how long it took; never an image.

A reader of the log that is slow, or none, must not hold up calls: a thread writes, and what comes faster than it can
is dropped and counted.
"""

import os
import sys
import threading
import time
from asyncio import TimerHandle, get_running_loop
from collections.abc import Iterator
from queue import Full, Queue
from select import PIPE_BUF
from typing import Any, Literal, NamedTuple

from serving.telemetry.lines import Format, json_line, timestamp
from serving.telemetry.record import CallRecord
from serving.telemetry.store import Value

Which = Literal["off", "errors", "all"]
NO_ERRORS = ("OK", "CANCELLED")  # who takes a call back has not been failed
FLUSH_S = 0.1
MOST_LINES = 2000  # between two flushes
MOST_BATCHES = 4  # that wait for the thread
LAST_LINES_S = 1.0  # that writing may still take at the end


class Line(NamedTuple):
    """A call that has ended; times in s, `at` since the epoch."""

    at: float
    method: str
    status: str
    seconds: float
    rows: int
    model: str | None
    version: str | None
    queue_s: float
    run_s: float
    peer: str
    request_id: str | None

    def write(self, form: Format) -> str:
        """The line, without its end."""
        fields: dict[str, Any] = {"method": self.method, "status": self.status, "total_ms": _ms(self.seconds)}
        if self.version is not None:
            fields |= {"rows": self.rows, "model": escaped(self.model or "")}
            fields |= {"version": int(self.version) if self.version.isdigit() else self.version}
            fields |= {"queue_ms": _ms(self.queue_s), "run_ms": _ms(self.run_s)}
        fields |= {"peer": self.peer, "request_id": self.request_id}
        if form == "json":
            return json_line(self.at, "info" if self.status in NO_ERRORS else "warning", "call", **fields)
        named = " ".join(f"{name}={value}" for name, value in fields.items() if name not in ("method", "status"))
        return f"{timestamp(self.at)} {self.method} {self.status} {named}"


class AccessLog:
    """Writes lines. Make it within a running event loop, and close it there.

    Args:
        which: Which calls have a line: none, those that failed, or all.
        form: Of the lines.
        dropped: Counts the lines that came too fast to be written.
        descriptor: Where to.
    """

    def __init__(self, which: Which, form: Format, dropped: Value, descriptor: int | None = None) -> None:
        self.which = which
        self._form, self._dropped = form, dropped
        self._descriptor = sys.stderr.fileno() if descriptor is None else descriptor
        self._loop = get_running_loop()
        self._lines: list[Line] = []
        self._flush: TimerHandle | None = None
        self._batches: Queue[list[Line] | None] = Queue(MOST_BATCHES)
        self._thread: threading.Thread | None = None

    def wants(self, status: str) -> bool:
        """Whether a call that ended so has a line."""
        return self.which == "all" or (self.which == "errors" and status not in NO_ERRORS)

    def add(self, method: str, status: str, seconds: float, call: CallRecord) -> None:
        """A line for a call that has ended now and took so long."""
        if len(self._lines) >= MOST_LINES:
            self._dropped.add()
            return
        peer = escaped(call.context.peer())
        self._lines.append(
            Line(
                time.time(), method, status, seconds,
                call.rows, call.model, call.version, call.queue_s, call.run_s, peer, call.request_id,
            )
        )  # fmt: skip
        if self._flush is None:
            self._flush = self._loop.call_later(FLUSH_S, self._hand_over)

    def close(self) -> None:
        """Write what is left, if that is possible within a second."""
        if self._flush is not None:
            self._flush.cancel()
            self._hand_over()
        if self._thread is not None:
            try:
                self._batches.put_nowait(None)
            except Full:
                return  # it ends with the process
            self._thread.join(LAST_LINES_S)

    def _hand_over(self) -> None:
        self._flush = None
        lines, self._lines = self._lines, []
        if self._thread is None:
            # Of no pool: Python would wait for its threads at the end.
            self._thread = threading.Thread(target=self._write_all, name="access-log", daemon=True)
            self._thread.start()
        try:
            self._batches.put_nowait(lines)
        except Full:
            self._dropped.add(len(lines))

    def _write_all(self) -> None:
        while (lines := self._batches.get()) is not None:
            text = "".join(f"{line.write(self._form)}\n" for line in lines).encode()
            try:
                for piece in _pieces(text):
                    while piece:
                        piece = piece[os.write(self._descriptor, piece) :]
            except OSError:
                return self._drain()  # nobody reads any more
        return None

    def _drain(self) -> None:
        """Go on without writing."""
        while self._batches.get() is not None:
            pass


def _pieces(text: bytes) -> Iterator[bytes]:
    """Whole lines, as many as a pipe takes at once: so they do not mix with those of other workers."""
    start = 0
    while start < len(text):
        end = text.rfind(b"\n", start, start + PIPE_BUF) + 1 or text.index(b"\n", start) + 1
        yield text[start:end]
        start = end


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def escaped(name: str) -> str:
    """A peer's or a model's name, in which nothing can begin a line of its own."""
    return "".join(character if character.isprintable() and character != " " else "?" for character in name)
