"""The parent of the workers: it starts them, replaces those that die, and stops them together.

It forks before anything of gRPC or ONNX Runtime is loaded, and does nothing but wait. The workers' sockets stay open
here, so connections that reach a dead worker's port wait for the next one.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

FAILED = 1
WISHES = (signal.SIGINT, signal.SIGTERM)  # to stop; the second one is to stop at once
AT_ONCE = signal.SIGUSR1  # what a worker is told then: a second SIGTERM is lost while it has not seen the first
STEADY_S = 10.0  # a worker that has lived so long is replaced at once
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 10.0
MOST_FAILURES = 5  # so many new workers in a row that do not come up are enough

Tell = Callable[[list[str]], None]
"""What a worker calls once it serves, with lines for a person."""
Work = Callable[[socket.socket, Tell, int], None]
"""A worker's whole life: serves on a socket until SIGTERM; `AT_ONCE` is not to wait for calls in flight.

Its slot, the smallest free one below twice the number of workers, is its alone while it lives: there it writes what it
writes into memory that all share.
"""


class StartError(Exception):
    """A worker cannot serve, and so none could.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(eq=False)
class _Worker:
    """A process, and the end of the pipe on which it says that it serves."""

    number: int
    slot: int
    process: ForkProcess
    pipe: Connection
    started: float
    greeting: list[str] | None = None
    failure: str = ""


class Supervisor:
    """Runs a worker for each socket.

    Args:
        work: What a worker does. Raises StartError where it cannot.
        listeners: A socket for each worker.
        greet: Called once when all workers serve, with the lines that the first one told.
        say: Called with a line for a person.
        warn: The same for what goes wrong.
        steady_s, first_delay_s: See `STEADY_S` and `FIRST_DELAY_S`.
    """

    def __init__(
        self,
        work: Work,
        listeners: Sequence[socket.socket],
        greet: Tell,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        steady_s: float = STEADY_S,
        first_delay_s: float = FIRST_DELAY_S,
    ) -> None:
        self._work, self._listeners = work, listeners
        self._greet, self._say, self._warn = greet, say, warn
        self._steady_s, self._first_delay_s = steady_s, first_delay_s
        self._workers: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}  # when to start a new worker, by its number
        self._greeted = False
        self._stopping = False
        self._failures = 0  # of workers that did not come up, in a row
        self._code = 0

    def run(self) -> int:
        """Until SIGINT or SIGTERM, or until it has to give up; the exit code."""
        signals, wake = socket.socketpair()
        signals.setblocking(False)
        wake.setblocking(False)
        for wish in WISHES:
            signal.signal(wish, lambda *_: None)  # the byte that wakes the loop below says it
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in range(len(self._listeners)):
            self._start(number)
        while self._workers or self._due:
            timeout = min(self._due.values()) - time.monotonic() if self._due else None
            waited = [worker.pipe for worker in self._workers.values()]
            ready = wait([*waited, signals], None if timeout is None else max(0.0, timeout))
            if signals in ready:
                for received in signals.recv(64):
                    if received in WISHES:
                        self._stop(
                            "shutting down (again to stop at once)" if not self._stopping else "stopping at once"
                        )
            for worker in [worker for worker in self._workers.values() if worker.pipe in ready]:
                self._hear(worker)
            for number in [number for number, due in self._due.items() if due <= time.monotonic()]:
                del self._due[number]
                self._start(number)
        return self._code

    def _start(self, number: int) -> None:
        taken = {worker.slot for worker in self._workers.values()}
        slot = next(slot for slot in range(2 * len(self._listeners)) if slot not in taken)
        ours, theirs = multiprocessing.Pipe()
        others = [worker.pipe for worker in self._workers.values()]
        process = multiprocessing.get_context("fork").Process(
            target=_live,
            args=(self._work, self._listeners[number], slot, theirs, [ours, *others]),
            name=f"worker-{number}",
        )
        # Until it has handlers of its own, a signal to the new process would be told to this one: they share the pipe
        # that wakes the loop.
        signal.pthread_sigmask(signal.SIG_BLOCK, WISHES)
        process.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)
        theirs.close()
        self._workers[number] = _Worker(number, slot, process, ours, time.monotonic())

    def _hear(self, worker: _Worker) -> None:
        """A worker serves, or says why it cannot, or has ended."""
        try:
            told = worker.pipe.recv()
        except (EOFError, OSError):
            self._end(worker)
            return
        if isinstance(told, StartError):
            worker.failure, self._code = str(told), told.code
            return
        worker.greeting = told
        all_serve = all(other.greeting is not None for other in self._workers.values())
        if all_serve and not self._greeted and not self._stopping:
            self._greeted = True
            self._greet(self._workers[0].greeting or [])

    def _end(self, worker: _Worker) -> None:
        worker.process.join()
        worker.pipe.close()
        del self._workers[worker.number]
        if self._stopping:
            return
        lived = time.monotonic() - worker.started
        reason = worker.failure or _how(worker.process.exitcode or 0)
        self._failures = 0 if worker.greeting is not None else self._failures + 1
        if not self._greeted or self._failures >= MOST_FAILURES:
            self._warn(reason if worker.failure else f"worker {worker.number} {reason} before it served")
            self._code = self._code or FAILED
            self._stop(None)
            return
        self._code = 0
        delay = 0.0
        if lived < self._steady_s:
            delay = min(LONGEST_DELAY_S, self._first_delay_s * 2**self._failures)
        self._warn(f"worker {worker.number} {reason}; another is started in {delay:g} s")
        self._due[worker.number] = time.monotonic() + delay

    def _stop(self, line: str | None) -> None:
        """Ask every worker to stop; a second time, at once."""
        if line is not None:
            self._say(line)
        wish, self._stopping = AT_ONCE if self._stopping else signal.SIGTERM, True
        self._due.clear()
        for worker in self._workers.values():
            if worker.process.pid and worker.process.is_alive():
                os.kill(worker.process.pid, wish)


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _live(work: Work, listener: socket.socket, slot: int, pipe: Connection, not_ours: list[Connection]) -> None:
    """A worker's process."""
    for other in not_ours:  # or a worker would not notice that its parent has gone
        other.close()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent tells us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)
    threading.Thread(target=_follow_parent, args=(pipe,), daemon=True).start()
    try:
        work(listener, pipe.send, slot)
    except StartError as error:
        pipe.send(error)
        sys.exit(error.code)


def _follow_parent(pipe: Connection) -> None:
    """Without a parent, stop: nobody would replace or stop this worker."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
