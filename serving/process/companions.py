"""The processes beside the workers: each does one thing for its whole life, and is replaced when it dies."""

import math
import signal
import time
from collections.abc import Callable, Container, Mapping

from serving.process.back_off import BackOff
from serving.process.child import Child

UP_S = 1.0  # one that has lived so long had come up
TOLD_TO_END = (0, -signal.SIGTERM)  # exit codes


class Companions:
    """Starts them, and starts others when they die.

    Args:
        lives: What each does, by its name.
        fork: Starts a process of such a name and life.
        back_off: How long a dead one's place stays empty. It never gives up: the workers serve without.
        warn: Called with a line for a person.

    Attributes:
        children: Those that are there.
    """

    def __init__(
        self,
        lives: Mapping[str, Callable[[], None]],
        fork: Callable[[str, Callable[[], None]], Child],
        back_off: BackOff,
        warn: Callable[[str], None],
    ) -> None:
        self.children: list[Child] = []
        self._lives, self._fork, self._back_off, self._warn = lives, fork, back_off, warn
        self._due: dict[str, float] = {}
        self._failures = dict.fromkeys(lives, 0)  # of those that did not come up, in a row
        self._draining = self._stopping = False

    @property
    def due(self) -> float:
        """When the next one is to be started, by the monotonic clock."""
        return min(self._due.values(), default=math.inf)

    def start(self) -> None:
        """Start all of them."""
        for name, life in self._lives.items():
            self.children.append(self._fork(name, life))

    def replace(self, ended: Container[object]) -> None:
        """Bury those whose sentinel is among these, and start those that are due."""
        now = time.monotonic()
        for child in [child for child in self.children if child.process.sentinel in ended]:
            self.children.remove(child)
            reason = child.end()
            if self._stopping:
                continue
            lived = now - child.started
            self._failures[child.name] = 0 if lived >= UP_S else self._failures[child.name] + 1
            delay = self._back_off.delay_s(lived, self._failures[child.name])
            if not (self._draining and child.process.exitcode in TOLD_TO_END):
                self._warn(f"{child.name} {reason}; another is started in {delay:g} s")
            self._due[child.name] = now + delay
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            self.children.append(self._fork(name, self._lives[name]))

    def drain(self) -> None:
        """The workers are told to stop. They still need these: another comes for each that was told so as well."""
        self._draining = True

    def stop(self, linger_s: float) -> None:
        """Tell all to end within so long."""
        self._stopping = True
        self._due.clear()
        for child in self.children:
            child.send(signal.SIGTERM)
            child.limit(time.monotonic() + linger_s, f"was still there {linger_s:g} s after it was told to stop")
