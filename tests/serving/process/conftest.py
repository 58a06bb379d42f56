"""Parents of workers, in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.serving.process.parents import Parent, script

ROOT = Path(__file__).parents[3]


@pytest.fixture
def parent() -> Iterator[Parent]:
    """Starts a parent of two workers that do `work`, and of `companions`."""
    started: list[subprocess.Popen[str]] = []

    def start(work: str = "work = until_told", companions: str = "", **options: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script(work, companions, **options)]
        started.append(
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                start_new_session=True)
        )  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
