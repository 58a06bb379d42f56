"""Situations of `make attack`, for a second each: a well-behaved caller is answered all the while, and rightly.

Its limits are wide, since the machine that tests may do other work; `make attack` has the narrow ones.
"""

from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

import pytest

from benchmarks.attacks.__main__ import ATTACKS
from benchmarks.attacks.ends import killed_workers, terminated_servers, unread_at_the_end
from benchmarks.attacks.server import Server, serving
from benchmarks.attacks.trial import Limits, Outcome, Range, firing_range

CALLS = 60  # 1.2 s
SHORT = (
    "rapid-reset", "continuation-flood", "one-byte-data-flood", "empty-message-flood", "ping-flood",
    "window-settings-flood", "header-bomb", "unfinished-bodies", "huge-names", "gzip-bombs",
    "big-metadata", "half-open-streams", "unread-images", "unread-sockets", "watches", "reflection-flood",
    "reflection-streams", "cancel-storm",
)  # fmt: skip
LIMITS = Limits(p99_ms=2000, max_ms=2000, memory=100)


@pytest.fixture(scope="module")
def shooting() -> Iterator[Range]:
    with firing_range() as range_:
        yield range_


@pytest.fixture(scope="module")
def server(model_repository: Path) -> Iterator[Server]:
    with serving(model_repository, "http2", "--workers", "1", name="test") as server:
        yield server


@pytest.mark.parametrize("name", SHORT)
def test_well_behaved_caller_is_answered_while_somebody_attacks(name: str, shooting: Range, server: Server) -> None:
    outcome = shooting.attack(ATTACKS[name], server, CALLS, LIMITS, settles=False)
    assert outcome.faults(LIMITS) == []
    assert outcome.calls.right == CALLS


@pytest.mark.parametrize("end", [killed_workers, terminated_servers, unread_at_the_end])
def test_nobody_who_was_taken_is_lost_at_an_end(
    end: Callable[..., Outcome], shooting: Range, model_repository: Path
) -> None:
    outcome = end(shooting, model_repository, "http2", 1)
    assert outcome.faults(Limits(p99_ms=inf, max_ms=inf)) == []
