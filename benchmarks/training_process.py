"""The trainer as its users start it: `python -m training ...` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.checkpoint import NAME
from training.run_folder import METRICS

ROOT = Path(__file__).resolve().parent.parent
NEVER = 10**12  # images: a milestone or an end that does not come
FAILED, INTERRUPTED = 1, 130


class RunFailedError(Exception):
    """A run ended otherwise than it should have; the message says what it said."""


def environment(threads: int) -> dict[str, str]:
    """The environment of a process that computes with so many threads and finds the project from any folder."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "PYTHONPATH": path}


def log_path(folder: Path) -> Path:
    """Where the trainer's terminal output for a run goes: beside the run's folder."""
    return folder.with_name(f"{folder.name}.log")


def start_trainer(folder: Path, options: list[str], threads: int) -> subprocess.Popen[bytes]:
    """Start a run, or go on with one, in `folder`; end it by `stop` or `kill`, for Ctrl-C does not reach it.

    It works in the folder above, so that the link `artifacts/runs/latest` of the project stays on the user's own run.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with log_path(folder).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "training", "--out", str(folder), *options],
            cwd=folder.parent,
            env=environment(threads),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], patience_s: float = 60.0) -> int:
    """Ask the trainer to save itself and end, as Ctrl-C does. Returns its exit code."""
    process.terminate()
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        kill(process)
        return process.wait()


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the process and all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def none_left_behind(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Whatever happens within it, the process does not outlive it."""
    try:
        yield process
    finally:
        kill(process)


def exit_code(bench: Callable[[], int]) -> int:
    """Run a bench; by Ctrl-C or SIGTERM it ends in good order, and so do the processes that it started."""
    # SIGINT too: a shell starts a background job with it ignored, and so would all that the job starts.
    for wish in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wish, signal.default_int_handler)
    try:
        return bench()
    except RunFailedError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def has_checkpoint(folder: Path) -> bool:
    """Whether the run can be resumed."""
    return (folder / NAME).is_file()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The run's metrics so far, without a line that is not whole."""
    path = folder / METRICS
    entries = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return entries


def last_words(folder: Path) -> str:
    """The last line that the trainer printed."""
    path = log_path(folder)
    lines = path.read_text(errors="replace").replace("\r", "\n").split("\n") if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
