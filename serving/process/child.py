"""A process that the parent has forked: what it inherits, what it is told, and how it ends."""

import faulthandler
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, Protocol

WISHES = (signal.SIGINT, signal.SIGTERM)  # to stop; the second one is to stop at once
RENEW = signal.SIGHUP  # to replace all workers in turn: the parent alone hears it
HEARD = (*WISHES, RENEW)
# What a worker is told instead of a second SIGTERM, which is lost while it has not seen the first.
AT_ONCE = signal.SIGUSR1
STACK = signal.SIGUSR2  # to write where each thread is


class Closable(Protocol):
    """What a process inherits, and is not its own."""

    def close(self) -> None: ...


class StartError(Exception):
    """A worker cannot serve, and so none could.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(eq=False)
class Child:
    """A process, and the end of the pipe on which it tells something.

    Attributes:
        name: For a person.
        started: When, by the monotonic clock.
        silent: It can tell no more.
        kill_at: When it is killed if it is still there ...
        kill_reason: ... and why, for a person.
    """

    name: str
    process: ForkProcess
    pipe: Connection
    started: float
    silent: bool = False
    kill_at: float = math.inf
    kill_reason: str = ""

    def told(self) -> list[Any]:
        """What it has told since."""
        told = []
        try:
            while self.pipe.poll():
                told.append(self.pipe.recv())
        except (EOFError, OSError):
            self.silent = True
        return told

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.process.pid and self.process.is_alive():
            os.kill(self.process.pid, number)

    def limit(self, kill_at: float, reason: str) -> None:
        """Have it killed then, unless it is to be killed sooner."""
        if kill_at < self.kill_at:
            self.kill_at, self.kill_reason = kill_at, reason

    def end(self) -> str:
        """Once it has ended: how, for a person."""
        self.process.join()
        self.pipe.close()
        code = self.process.exitcode or 0
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def fork(
    name: str, life: Callable[[Callable[[Any], None]], None], not_its_own: Iterable[Closable], linger_s: float
) -> Child:
    """Start a process.

    Args:
        name: For a person.
        life: What it does for its whole life, given what tells the parent something. SIGTERM ends it, unless it
            listens to it itself.
        not_its_own: What it closes of what it inherits.
        linger_s: How long it may take to end once this process has gone.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_live, args=(life, theirs, [ours, *not_its_own], linger_s), name=name
    )
    # Until it has handlers of its own, a signal to the new process would be told to this one: they share the pipe
    # that wakes the parent's loop.
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    process.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    theirs.close()
    return Child(name, process, ours, time.monotonic())


def _live(
    life: Callable[[Callable[[Any], None]], None], pipe: Connection, not_its_own: Iterable[Closable], linger_s: float
) -> None:
    signal.set_wakeup_fd(-1)
    for other in not_its_own:  # or it would not notice that its parent has gone, and keep open a port that all left
        other.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, RENEW):  # a terminal's reach all of its processes; the parent tells us
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    faulthandler.register(STACK)
    threading.Thread(target=_follow_parent, args=(pipe, linger_s), daemon=True).start()
    try:
        life(pipe.send)
    except StartError as error:
        pipe.send(error)
        sys.exit(error.code)


def _follow_parent(pipe: Connection, linger_s: float) -> None:
    """Without a parent, stop: nobody would replace or stop this process."""
    with suppress(EOFError, OSError):
        pipe.recv()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(linger_s)
    os.kill(os.getpid(), signal.SIGKILL)
