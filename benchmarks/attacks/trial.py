"""An attack on a server while somebody else calls it, and what came of that."""

import os
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from benchmarks.attacks.canary import RATE, Calls, call_on_schedule, right_answers
from benchmarks.attacks.server import Server
from benchmarks.attacks.target import Attack, carry_out

LEAD_S, TAIL_S = 0.3, 0.5  # that the well-behaved caller begins before the attack, and goes on after it
SAMPLE_S = 0.1
LOADED_S, LOADED_MB = 1.0, 1.0  # a server has loaded whose memory grows by no more in a second
ATTACKERS_NICENESS = 5  # it would be another machine: here it is not to take the server's processor


@dataclass(frozen=True)
class Limits:
    """What a server under attack must keep.

    Attributes:
        p99_ms: Of the well-behaved caller's latencies.
        max_ms: Of its slowest call.
        memory: Resident, after the attack: times what it was before.
        settle_s: Seconds after the attack within which memory is to be there.
    """

    p99_ms: float = 100.0
    max_ms: float = 1000.0
    memory: float = 1.2
    settle_s: float = 10.0


@dataclass(frozen=True)
class Outcome:
    """What came of a situation.

    Attributes:
        name: Of the situation.
        calls: The well-behaved caller's.
        hurt: What the attack itself saw go wrong; empty: nothing.
        rounds: How often the attack was carried out.
        memory_mb: Resident before, at most meanwhile, and after; none where the server did not stay.
    """

    name: str
    calls: Calls
    hurt: str = ""
    rounds: int = 1
    memory_mb: tuple[float, float, float] | None = None

    def faults(self, limits: Limits) -> list[str]:
        """What was not kept, in words."""
        p99, most = self.calls.percentile_ms(99), self.calls.percentile_ms(100)
        found = [self.hurt] if self.hurt else []
        if self.calls.wrong:
            found.append(f"{self.calls.wrong} wrong answers")
        if self.calls.refused:
            statuses = ", ".join(f"{count} {status}" for status, count in self.calls.refused.items())
            found.append(f"refused: {statuses} ({self.calls.words})")
        if p99 > limits.p99_ms:
            found.append(f"p99 {p99:.0f} ms")
        if most > limits.max_ms:
            found.append(f"slowest {most:.0f} ms")
        if self.memory_mb and self.memory_mb[2] > limits.memory * self.memory_mb[0]:
            found.append(f"memory stays at {self.memory_mb[2] / self.memory_mb[0]:.2f} times")
        return found


class Range:
    """The attacker and the well-behaved caller, a process each, which go from one server to the next.

    Args:
        attacker: Attacks.
        caller: Calls.
    """

    def __init__(self, attacker: ProcessPoolExecutor, caller: ProcessPoolExecutor) -> None:
        self.attacker, self.caller = attacker, caller

    def attack(self, attack: Attack, server: Server, calls: int, limits: Limits, settles: bool = True) -> Outcome:
        """Attack while so many calls are made.

        Args:
            attack: What is done.
            server: To whom.
            calls: Of the well-behaved caller, 50 a second.
            limits: How long memory is waited for.
            settles: Whether memory is waited for at all.
        """
        right = self.caller.submit(right_answers, server.port).result()
        before = most = _loaded_mb(server) if settles else server.resident_mb()
        calling = self.caller.submit(call_on_schedule, server.port, calls, right)
        time.sleep(LEAD_S)
        seconds = max(0.5, calls / RATE - LEAD_S - TAIL_S)
        attacking = self.attacker.submit(carry_out, attack, server.port, seconds)
        while not (attacking.done() and calling.done()):
            most = max(most, server.resident_mb())
            time.sleep(SAMPLE_S)
        rounds, hurt = attacking.result()
        after, end = server.resident_mb(), time.monotonic() + limits.settle_s
        while settles and after > limits.memory * before and time.monotonic() < end:
            time.sleep(SAMPLE_S)
            after = server.resident_mb()
        return Outcome(name_of(attack), calling.result(), hurt, rounds, (before, most, after))


@contextmanager
def firing_range() -> Iterator[Range]:
    """Both processes, for as long as it lasts."""
    context = get_context("spawn")  # grpcio does not bear a fork
    with (
        ProcessPoolExecutor(1, context, _be_attacker) as attacker,
        ProcessPoolExecutor(1, context) as caller,
    ):
        yield Range(attacker, caller)


def name_of(situation: Callable[..., Any]) -> str:
    """As it is asked for and told."""
    return situation.__name__.replace("_", "-")


def _loaded_mb(server: Server) -> float:
    """Resident memory once all processes have loaded what they need: workers answer before those beside them have."""
    size = server.resident_mb()
    while True:
        time.sleep(LOADED_S)
        before, size = size, server.resident_mb()
        if size - before < LOADED_MB:
            return size


def _be_attacker() -> None:
    if hasattr(os, "sched_setscheduler"):  # where all else has real-time priority, it has not
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(ATTACKERS_NICENESS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
