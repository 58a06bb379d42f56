"""PyTorch's threads, of which a CPU quota must not be given more than it feeds."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from evaluation.threads import keep_to_allowed_cores
from export.command import main as export
from judge.command import main as evaluate
from training.command import main as train


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def allow(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a quota does: PyTorch asks the system itself, and would take what it had taken."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))


@pytest.mark.parametrize(("would_take", "allowed", "takes"), [(8, 1, 1), (1, 64, 1)])
def test_torch_takes_no_more_threads_than_cores_are_allowed_and_never_more_than_it_would(
    would_take: int, allowed: int, takes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(would_take)
    allow(allowed, monkeypatch)
    keep_to_allowed_cores()
    assert torch.get_num_threads() == takes


@pytest.mark.parametrize(
    ("command", "options"),
    [(train, ["--resume", "--out"]), (export, []), (evaluate, [])],
    ids=["train", "export", "evaluate"],
)
def test_every_command_that_computes_keeps_to_the_cores_that_are_allowed(
    command: Callable[[list[str]], int], options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(8)
    allow(1, monkeypatch)
    assert command([*options, str(tmp_path)]) == 1  # nothing is there, which it finds out later
    assert torch.get_num_threads() == 1
