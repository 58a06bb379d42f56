"""The parent of the workers: it starts them, replaces those that die or hang, and stops them together.

It forks before anything of gRPC or ONNX Runtime is loaded, and does nothing but wait and look. While the server serves,
the workers' sockets stay open here, so connections that reach a dead worker's port wait for the next one.
"""

import math
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Protocol

from serving.process.back_off import BackOff
from serving.process.child import AT_ONCE, HEARD, RENEW, STACK, WISHES, Child, Closable, StartError, fork
from serving.process.companions import Companions
from serving.process.heartbeat import BEAT_S, HangWatch

FAILED = 1
MOST_FAILURES = 5  # so many new workers in a row that do not come up are enough
LINGER_S = 5.0  # what a process that was told to stop is given beyond the calls' grace, then it is killed
START_S = 600.0  # what a new worker is given to serve while others do; a GPU's first runs may take minutes
STACK_S = 1.0  # what one that hangs is given to write where it does

Tell = Callable[[Any], None]
"""What a worker calls once it serves, with a list of lines for a person; later, with a `Renewal`."""
Work = Callable[[socket.socket, Tell, int], None]
"""A worker's whole life: serves on a socket until SIGTERM; `AT_ONCE` is not to wait for calls in flight.

Its slot, the smallest free one below twice the number of workers, is its alone while it lives: there it writes what it
writes into memory that all share.
"""


class Observer(Protocol):
    """Is told of workers' beginnings and ends."""

    def started(self) -> None:
        """A worker has been forked."""

    def ended(self, number: int) -> None:
        """The worker of a slot is no more."""


@dataclass(frozen=True)
class Renewal:
    """What a worker tells to be replaced in order: once its successor serves, it drains."""

    reason: str


@dataclass(eq=False)
class _Worker:
    """A process that serves, or is about to.

    Attributes:
        number: Of its socket.
        replaces: Whom it is to replace once it serves.
        serves_since: By the monotonic clock.
        retired: It has a successor that serves, and drains.
    """

    number: int
    slot: int
    child: Child
    replaces: "_Worker | None"
    greeting: Sequence[str] = ()
    serves_since: float | None = None
    failure: StartError | None = None
    retired: bool = False


class Supervisor:
    """Runs a worker for each socket, and the companions beside them.

    Args:
        work: What a worker does. Raises StartError where it cannot.
        listeners: A socket for each worker.
        greet: Called once when all workers serve, with the lines that the first one told.
        say: Called with a line for a person.
        warn: The same for what goes wrong.
        grace_s: What calls in flight are given when a worker is told to stop.
        companions: What further processes do for their whole lives, by their names. They are started once all workers
            serve, and told to stop once the last worker has ended.
        watch: Finds workers that hang; None: nobody looks.
        observer: Is told of workers that begin and end.
        back_off: How long to wait before a new one is started.
        linger_s: See `LINGER_S`.
        start_s: See `START_S`.
    """

    def __init__(
        self,
        work: Work,
        listeners: Sequence[socket.socket],
        greet: Callable[[Sequence[str]], None],
        say: Callable[[str], None],
        warn: Callable[[str], None],
        *,
        grace_s: float,
        companions: Mapping[str, Callable[[], None]],
        watch: HangWatch | None = None,
        observer: Observer | None = None,
        back_off: BackOff = BackOff(),  # noqa: B008  (it is frozen)
        linger_s: float = LINGER_S,
        start_s: float = START_S,
    ) -> None:
        self._work, self._listeners = work, listeners
        self._greet, self._say, self._warn = greet, say, warn
        self._grace_s, self._linger_s, self._start_s, self._back_off = grace_s, linger_s, start_s, back_off
        self._companions = Companions(companions, self._fork_companion, back_off, warn)
        self._watch, self._look_at = watch, time.monotonic() if watch else math.inf
        self._observer = observer
        self._workers: list[_Worker] = []
        self._due: dict[int, float] = {}  # when to start a new worker, by its number
        self._turns: deque[int] = deque()  # whom to replace, one after the other
        self._renewing = False  # all of them
        self._greeted = False
        self._stopping = False
        self._failures = 0  # of workers that did not come up, in a row
        self._code = 0

    def run(self) -> int:
        """Until SIGINT or SIGTERM, or until it has to give up; the exit code. SIGHUP replaces all workers in turn."""
        self._signals, self._wake = socket.socketpair()
        self._signals.setblocking(False)
        self._wake.setblocking(False)
        for heard in HEARD:
            signal.signal(heard, lambda *_: None)  # the byte that wakes the loop below says it
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in range(len(self._listeners)):
            self._start(number)
        while self._workers or self._due:
            self._turn()
        self._companions.stop(self._linger_s)
        while self._companions.children:
            self._turn()
        return self._code

    @property
    def _children(self) -> list[Child]:
        return [*(worker.child for worker in self._workers), *self._companions.children]

    def _turn(self) -> None:
        """Wait until there is something to do, and do it."""
        pipes = [worker.child.pipe for worker in self._workers if not worker.child.silent]
        ends = [child.process.sentinel for child in self._children]
        kills = [child.kill_at for child in self._children]
        alarm = min(*self._due.values(), *kills, self._companions.due, self._look_at, math.inf)
        timeout = None if alarm == math.inf else max(0.0, alarm - time.monotonic())
        ready = set(wait([self._signals, *pipes, *ends], timeout))
        if self._signals in ready:
            for received in self._signals.recv(64):
                self._obey(received)
        for worker in list(self._workers):
            ended = worker.child.process.sentinel in ready
            if ended or worker.child.pipe in ready:
                self._hear(worker)
            if ended:
                self._end(worker)
        self._companions.replace(ready)
        now = time.monotonic()
        for child in self._children:
            if child.kill_at <= now:
                child.kill_at = math.inf
                self._warn(f"{child.name} {child.kill_reason}: it is killed")
                child.process.kill()
                if self._stopping and child not in self._companions.children:
                    self._code = FAILED  # its calls have had no answer
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)
        if self._look_at <= now and self._watch:
            self._look_at = now + BEAT_S
            self._look(self._watch, now)
        self._take_turns()

    def _obey(self, number: int) -> None:
        if number in WISHES:
            self._stop("stopping at once" if self._stopping else "shutting down (again to stop at once)")
        elif number == RENEW and not self._stopping:
            self._say("replacing the workers, one after the other")
            self._renewing = True
            self._turns.extend(number for number in range(len(self._listeners)) if number not in self._turns)

    def _start(self, number: int, replaces: _Worker | None = None) -> None:
        taken = {worker.slot for worker in self._workers}
        slot = next(slot for slot in range(2 * len(self._listeners)) if slot not in taken)
        listener = self._listeners[number]

        def life(tell: Tell) -> None:
            self._work(listener, tell, slot)

        child = fork(f"worker {number}", life, self._not_its_own(listener), self._grace_s + self._linger_s)
        if self._greeted:  # before, somebody is looking
            child.limit(time.monotonic() + self._start_s, f"did not serve within {self._start_s:g} s")
        self._workers.append(_Worker(number, slot, child, replaces))
        if self._observer:
            self._observer.started()

    def _fork_companion(self, name: str, life: Callable[[], None]) -> Child:
        return fork(name, lambda _tell: life(), self._not_its_own(None), self._linger_s)

    def _not_its_own(self, listener: socket.socket | None) -> list[Closable]:
        """What a new process inherits beside its own socket."""
        others = [other for other in self._listeners if other is not listener]
        return [self._signals, self._wake, *others, *(child.pipe for child in self._children)]

    def _hear(self, worker: _Worker) -> None:
        """A worker serves, or says why it cannot, or wants to be replaced."""
        for told in worker.child.told():
            if isinstance(told, StartError):
                worker.failure = told
            elif not isinstance(told, Renewal):
                self._welcome(worker, told)
            elif worker.number not in self._turns and not any(other.replaces is worker for other in self._workers):
                self._say(f"{worker.child.name} {told.reason}: it is replaced")
                self._turns.append(worker.number)

    def _welcome(self, worker: _Worker, greeting: Sequence[str]) -> None:
        worker.greeting, worker.serves_since = greeting, time.monotonic()
        if self._stopping:
            return
        worker.child.kill_at = math.inf  # it has begun in time
        if worker.replaces is not None:
            old, worker.replaces = worker.replaces, None
            old.retired = True
            self._tell_to_stop(old, signal.SIGTERM, self._grace_s + self._linger_s)
        if not self._greeted and all(other.serves_since is not None for other in self._workers):
            self._greeted = True
            self._companions.start()
            self._greet(self._workers[0].greeting)

    def _end(self, worker: _Worker) -> None:
        reason = worker.child.end()
        reason = str(worker.failure) if worker.failure else f"{worker.child.name} {reason}"
        self._workers.remove(worker)
        if self._observer:
            self._observer.ended(worker.slot)
        if self._stopping or worker.retired:
            return
        if worker.replaces is not None:
            self._warn(f"{reason}; the worker that it was to replace stays")
            self._turns.clear()  # the others' would not come up either
            self._renewing = False
            return
        lived = time.monotonic() - worker.child.started
        self._failures = 0 if worker.serves_since is not None else self._failures + 1
        if not self._greeted or self._failures >= MOST_FAILURES:
            self._warn(reason if worker.failure else f"{reason} before it served")
            self._code = worker.failure.code if worker.failure else FAILED
            self._stop(None)
            return
        for successor in self._workers:
            if successor.replaces is worker:
                successor.replaces = None
                self._warn(f"{reason}; another is on its way")
                return
        delay = self._back_off.delay_s(lived, self._failures)
        self._warn(f"{reason}; another is started in {delay:g} s")
        self._due[worker.number] = time.monotonic() + delay

    def _take_turns(self) -> None:
        """Start the next successor, once all serve and whom the one before replaced has ended."""
        if (
            self._stopping
            or not self._greeted
            or self._due
            or any(w.retired or w.serves_since is None for w in self._workers)
        ):
            return
        if self._turns:
            number = self._turns.popleft()
            self._start(number, next(old for old in self._workers if old.number == number))
        elif self._renewing:
            self._renewing = False
            self._say("the workers have been replaced")

    def _look(self, watch: HangWatch, now: float) -> None:
        """Whether a worker hangs."""
        since = {
            worker.slot: worker.serves_since
            for worker in self._workers
            if worker.serves_since is not None and not worker.retired
        }
        slot = watch.look(since, now)
        for worker in self._workers:
            if worker.slot == slot:
                worker.child.send(STACK)
                worker.child.limit(now + STACK_S, f"was silent for {watch.hang_s:g} s (above is where)")

    def _stop(self, line: str | None) -> None:
        """Ask every worker to stop; a second time, at once."""
        if line is not None:
            self._say(line)
        first, self._stopping = not self._stopping, True
        self._companions.drain()
        self._due.clear()
        self._turns.clear()
        for listener in self._listeners:  # or connections were taken here that nobody would serve
            listener.close()
        for worker in self._workers:
            if not first:
                self._tell_to_stop(worker, AT_ONCE, self._linger_s)
            elif not worker.retired:  # it was told
                self._tell_to_stop(worker, signal.SIGTERM, self._grace_s + self._linger_s)

    def _tell_to_stop(self, worker: _Worker, wish: signal.Signals, limit_s: float) -> None:
        worker.child.send(wish)
        worker.child.limit(time.monotonic() + limit_s, f"was still there {limit_s:g} s after it was told to stop")
