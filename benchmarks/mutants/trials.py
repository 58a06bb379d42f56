"""Judges mutants by tests, in copies of the tree: the tree itself is only read."""

import asyncio
import difflib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants.choice import Mutant
from benchmarks.training_process import RunFailedError

LEFT_OUT = (".git", ".venv", ".*_cache", "__pycache__", "artifacts", "data", "build", "*.egg-info")
PATIENCE, PATIENCE_S = 4, 20.0  # a mutant may take so many times as long as none, and so many seconds more
GOODBYE_S = 30.0  # for pytest to end what its tests started
NOTICED, HUNG, SURVIVED = "noticed", "hung", "survived"


@dataclass(frozen=True)
class Verdict:
    """What came of a mutant: one of `NOTICED`, `HUNG` (which is noticed too) and `SURVIVED`; and what it changed."""

    mutant: Mutant
    outcome: str
    change: str


def copy_tree(tree: Path, copy: Path) -> Path:
    """Copy what the tests need, without environments, results and data."""
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (copy / "tmp").mkdir()
    return copy


async def judge(
    copies: Sequence[Path],
    mutants: Iterable[Mutant],
    tests: Sequence[str],
    tell: Callable[[Verdict], None],
    patience_s: float = PATIENCE_S,
) -> list[Verdict]:
    """Run the tests for each mutant, as many at a time as there are copies.

    Args:
        copies: Of the tree, each as `copy_tree` made it.
        mutants: Of modules of the tree.
        tests: Files that judge, the quickest first.
        tell: Told of each verdict.
        patience_s: See `PATIENCE_S`.

    Raises:
        RunFailedError: The tests fail without a mutant, so they can judge none.
    """
    begin = time.monotonic()
    outcomes = await asyncio.gather(*(_run(copy, tests, None) for copy in copies))
    if any(outcome != SURVIVED for outcome in outcomes):
        raise RunFailedError(f"without a mutant:\n{_output(copies[outcomes.index(NOTICED)]).read_text()}")
    limit_s = PATIENCE * (time.monotonic() - begin) + patience_s
    verdicts, waiting = list[Verdict](), iter(mutants)

    async def work(copy: Path) -> None:
        for mutant in waiting:  # each takes the next one that nobody has taken
            verdicts.append(await _try(copy, mutant, tests, limit_s))
            tell(verdicts[-1])

    async with asyncio.TaskGroup() as group:
        for copy in copies:
            group.create_task(work(copy))
    return verdicts


async def _try(copy: Path, mutant: Mutant, tests: Sequence[str], limit_s: float) -> Verdict:
    module = copy / mutant.module
    source = module.read_text()
    module.write_text(mutant.source)
    try:
        outcome = await _run(copy, tests, limit_s)
    finally:
        module.write_text(source)
    lines = list(difflib.unified_diff(source.splitlines(), mutant.source.splitlines(), n=0, lineterm=""))
    return Verdict(mutant, outcome, "\n".join(line for line in lines[2:] if not line.startswith("@@")))


async def _run(copy: Path, tests: Sequence[str], limit_s: float | None) -> str:
    """What the tests make of a copy as it is now; whatever they started ends with them."""
    # Without bytecode, and so without any to read: it is known by its source's length and second, and a mutant as long
    # as what was there before, written in the same second, would be taken for that.
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(copy / "tmp"),
        "OMP_NUM_THREADS": "1",
        "DATA_DIR": "",  # the same tests on every machine
    }
    with _output(copy).open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests),
            cwd=copy,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(limit_s):
            return NOTICED if await process.wait() else SURVIVED
    except TimeoutError:
        return HUNG
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _output(copy: Path) -> Path:
    return copy / "tmp" / "output"
