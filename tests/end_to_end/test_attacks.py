"""Every situation of `make attack` for a second: a well-behaved caller is answered all the while, and rightly.

Its limits are wide, since the machine that tests may do other work; `make attack` has the narrow ones.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.attacks.__main__ import ATTACKS
from benchmarks.attacks.server import Server, serving
from benchmarks.attacks.trial import Limits, Range, firing_range

CALLS = 75  # 1.5 s
LIMITS = Limits(p99_ms=2000, max_ms=2000, memory=100)


@pytest.fixture(scope="module")
def shooting() -> Iterator[Range]:
    with firing_range() as range_:
        yield range_


@pytest.fixture(scope="module")
def server(model_repository: Path) -> Iterator[Server]:
    with serving(model_repository, "http2", "--workers", "1", name="test") as server:
        yield server


@pytest.mark.parametrize("name", ATTACKS)
def test_well_behaved_caller_is_answered_while_somebody_attacks(name: str, shooting: Range, server: Server) -> None:
    outcome = shooting.attack(ATTACKS[name], server, CALLS, LIMITS, settles=False)
    assert outcome.faults(LIMITS) == []
    assert outcome.calls.right == CALLS
