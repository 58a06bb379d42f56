"""Mutation testing judges the tests; here a tree of two files judges it."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks.mutants.__main__ import judge_rooms, score
from benchmarks.mutants.choice import sample
from benchmarks.mutants.rooms import ROOMS, Room
from benchmarks.mutants.trials import HUNG, SURVIVED, copy_tree, judge
from benchmarks.training_process import INTERRUPTED, ROOT, RunFailedError

ROOM = Room(("module.py",), ("test_module.py",))
ADD = "def add(a, b):\n    return a + b\n"
# Of this the dataclass alone can be noticed to be gone; of the next, every line.
RULES = '''
from __future__ import annotations
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
import torch
if TYPE_CHECKING:
    LIMIT = 1
Number: TypeAlias = int | None
PATIENCE_S = 60 * 2
log = logging.getLogger(__name__)
@dataclass(frozen=True)
class Found:
    number: int | None
@torch.no_grad()
def look(a: int | None, *, b: int | str = b"none") -> int | None:
    """Looks at 1 + 1."""
    log.info("looked %d times", 3)
    raise ValueError(f"not {a + 1}")
if __name__ == "__main__":
    look(1)
'''
UNITS = """
UNITS_S = {b"M": 60}
def count(number, start=1):
    if number is None or number == start:
        raise IndexError(number + 1)
    return (number << 2) / 3
"""


def tree_of(folder: Path, module: str, test: str) -> Path:
    folder.mkdir()
    (folder / "module.py").write_text(module)
    (folder / "test_module.py").write_text(f"import os, subprocess, time\nfrom module import add\n{test}\n")
    return folder


def changes(tree: Path, module: str, seed: int = 0, most: int | None = None) -> set[tuple[str, str]]:
    """What a sample makes of which lines."""
    (tree / "module.py").write_text(module)
    return {
        (module.splitlines()[mutant.line - 1].strip(), mutant.source.splitlines()[mutant.line - 1].strip())
        for mutant in sample(tree, ["module.py"], seed, most)
    }


def test_a_test_is_judged_by_what_it_does_not_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    os.mkfifo(tmp_path / "lives")
    reader = os.open(tmp_path / "lives", os.O_RDONLY | os.O_NONBLOCK)
    leave_behind = f"subprocess.Popen('exec sleep 1000 > {tmp_path}/lives', shell=True)"
    tree = tree_of(tmp_path / "tree", ADD, f"def test_add():\n    {leave_behind}\n    assert add(2, 2) == 4")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(tree.rglob("*"))}

    verdicts = judge_rooms(tree, {"add": ROOM}, 0, None, 2)["add"]

    found = {verdict.mutant.operator.removeprefix("ReplaceBinaryOperator_Add_"): verdict for verdict in verdicts}
    assert {name for name, verdict in found.items() if verdict.outcome != SURVIVED} == {"Sub", "Div", "FloorDiv", "Mod"}
    assert {name for name, verdict in found.items() if verdict.outcome == SURVIVED} == {"Mul", "Pow"}
    assert found["Mul"].change == "-    return a + b\n+    return a * b"
    assert {verdict.change.splitlines()[0] for verdict in verdicts} == {"-    return a + b"}  # one fault at a time
    assert score(verdicts) == 4 / 6
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(tree.rglob("*"))} == before
    assert not list((tmp_path / "temporary").iterdir())
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""  # nobody holds the other end any more
    os.close(reader)


def test_a_mutant_that_hangs_is_told_apart_and_noticed(tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", ADD, "def test_add():\n    while add(2, 2) != 4: time.sleep(1)")
    copies = [copy_tree(tree, tmp_path / "copy")]
    mutants = [mutant for mutant in sample(tree, ROOM.modules, 0, None) if mutant.operator.endswith("Sub")]
    verdicts = asyncio.run(judge(copies, mutants, ROOM.tests, print, patience_s=0.0))
    assert [verdict.outcome for verdict in verdicts] == [HUNG]
    assert score(verdicts) == 1.0


def test_tests_that_fail_by_themselves_judge_nothing(tmp_path: Path) -> None:
    tree = tree_of(tmp_path / "tree", ADD, "def test_add(): assert add(2, 2) == 5")
    with pytest.raises(RunFailedError, match=r"without a mutant:[^$]*assert 4 == 5"):
        judge_rooms(tree, {"add": ROOM}, 0, None, 1)


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, wish: signal.Signals) -> None:
    (tmp_path / "temporary").mkdir()
    os.mkfifo(tmp_path / "lives")
    os.mkfifo(tmp_path / "hangs")
    # A process in a session of its own, which only the test that started it can end.
    test = f"""
def test_add():
    if add(2, 2) != 4:
        with (
            open('{tmp_path}/lives', 'w') as lives,
            subprocess.Popen(['sleep', '1000'], stdout=lives, start_new_session=True) as process,
        ):
            try:
                open('{tmp_path}/hangs', 'w').close()
                process.wait()
            finally:
                process.kill()
"""
    tree = tree_of(tmp_path / "tree", ADD, test)
    code = (
        "import sys; from pathlib import Path; from benchmarks.mutants.__main__ import Room, exit_code, judge_rooms; "
        f"sys.exit(exit_code(lambda: judge_rooms(Path({str(tree)!r}), {{'add': {ROOM}}}, 0, None, 1)))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    # As a shell starts a background job: with Ctrl-C ignored.
    command = ["sh", "-c", 'trap "" INT; exec "$0" "$@"', sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        with (tmp_path / "lives").open("rb") as lives:
            (tmp_path / "hangs").read_bytes()
            process.send_signal(wish)
            assert lives.read() == b""  # nobody holds the other end any more
        assert process.wait() == INTERRUPTED
    assert (tree / "module.py").read_text() == ADD
    assert not list((tmp_path / "temporary").iterdir())


def test_a_sample_follows_from_its_seed(tmp_path: Path) -> None:
    module = (ROOT / ROOMS["batcher"].modules[0]).read_text()
    twenty = changes(tmp_path, module, seed=1, most=20)
    assert changes(tmp_path, module, seed=1, most=20) == twenty
    assert changes(tmp_path, module, seed=1, most=10) < twenty
    assert changes(tmp_path, module, seed=2, most=20) != twenty


def test_lines_that_stay_keep_their_mutants(tmp_path: Path) -> None:
    module = (ROOT / ROOMS["batcher"].modules[0]).read_text()
    new = "def new(a):\n    return a + 1 if a > 1 else 2\n\n\n"
    longer = changes(tmp_path, module.replace("class Batcher", f"{new}class Batcher"), most=20)
    assert {change for change in longer if change[0] not in new} <= changes(tmp_path, module, most=20)
    assert {change for change in longer if change[0] in new}


def test_what_nobody_could_notice_is_not_mutated(tmp_path: Path) -> None:
    assert changes(tmp_path, RULES) == {("@dataclass(frozen=True)", "class Found:")}


def test_everything_else_is_mutated(tmp_path: Path) -> None:
    assert {before for before, _ in changes(tmp_path, UNITS)} == {line.strip() for line in UNITS.strip().splitlines()}
    made = {after for _, after in changes(tmp_path, "x = a == b\ny = a is b\nz = a << b\n")}
    assert made == {
        *(f"x = a {operator} b" for operator in ("!=", "<", "<=", ">", ">=")),
        "y = a is not b",
        *(f"z = a {operator} b" for operator in (">>", "|", "&", "^")),
    }


def test_rooms_name_files_that_are_there() -> None:
    paths = [path for room in ROOMS.values() for path in (*room.modules, *room.tests)]
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    modules = [module for room in ROOMS.values() for module in room.modules]
    assert len(modules) == len(set(modules))
