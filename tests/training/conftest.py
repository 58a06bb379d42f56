"""Whole runs, made once for all tests that only look at them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.training.tiny_runs import CONFIGS, go_on, new_run
from training.checkpoint import Checkpoint
from training.data import DataSet

WholeRun = Callable[[str], tuple[Checkpoint, Path]]


@pytest.fixture(scope="session")
def whole_run(small_digits: DataSet, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    """The finished run of one of `CONFIGS`, and its folder. Neither is to be changed."""

    @cache
    def of(name: str) -> tuple[Checkpoint, Path]:
        folder = tmp_path_factory.mktemp(f"whole-{name}")
        return go_on(new_run(CONFIGS[name]), small_digits, folder), folder

    return of
