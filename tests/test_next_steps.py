"""What our commands say to go on with works when it is copied into a shell, whatever a run's folder is called."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from export.command import main as export
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import PRESETS

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
SMALL = {
    "generator_hidden": (16, 32),
    "generator_channels": 4,
    "discriminator_hidden": (32, 16),
    "discriminator_channels": 2,
    "detector_channels": 2,
}
TINY = SMALL | {
    "dataset": "sklearn-digits",
    "images": 256,
    "detector_images": 0,
    "measure_milestones": 0,
    "measure_fully": False,
}
Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run that has not begun."""
    folder = tmp_path / """it's "my" run for $HOME & `pwd`"""
    folder.mkdir()
    save_checkpoint(Checkpoint(PRESETS["default"].with_options(TINY), "tiny", "none"), folder)
    return folder


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs a line as a person would who has activated the environment."""
    variables = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            line, shell=True, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )

    return run


def recipe(line: str, shell: Shell) -> list[str]:
    """The words of the command that a `make` line runs; the environment need not be the Makefile's own."""
    stamp = shlex.quote(f"{sys.prefix}/train.stamp")
    made = shell(f"{line} --dry-run -C {shlex.quote(str(ROOT))} VENV={shlex.quote(sys.prefix)} -o {stamp}")
    assert made.returncode == 0, made.stderr
    (command,) = (said for said in made.stdout.splitlines() if said.startswith(sys.prefix))
    return shlex.split(command)


def test_what_the_commands_say_to_go_on_with_works_in_a_shell(
    folder: Path, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export([str(folder)]) == 1
    resume = capsys.readouterr().err.partition("go on with: ")[2]
    trained = shell(resume)
    assert trained.returncode == 0, trained.stderr
    told = re.search(r"^export it with: (.*) \(or (.*)\)$", trained.stdout, re.MULTILINE)
    assert told
    assert recipe(told[1], shell) == [f"{sys.prefix}/bin/digitforge-export", str(folder)]
    exported = shell(told[2])
    assert exported.returncode == 0, exported.stderr
    assert f"exported {folder.name} as version 1" in exported.stdout


def test_a_run_of_another_signature_is_exported_by_the_command_that_its_refusal_tells(
    folder: Path, shell: Shell, run_of: Callable[..., Checkpoint], capsys: pytest.CaptureFixture[str]
) -> None:
    """From a repository of an older signature, without heads, to another beside it; and once more beside that."""
    older, newer, repository = (folder / name for name in ("older", "newer", "my models"))
    for place, config in (
        (older, PRESETS["default"].with_options(TINY)),
        (newer, PRESETS["default"].with_options(SMALL)),
    ):
        place.mkdir()
        save_checkpoint(run_of(config), place)
    at = ["--model-repository", str(repository)]
    assert export([str(older), *at]) == 0
    refusals = []
    for number in (2, 3):
        assert export([str(newer), *at]) == 1
        said, _, command = capsys.readouterr().err.partition("; start another repository with: ")
        assert "share one signature" in said
        words = ["digitforge-export", str(newer), "--model-repository", f"{repository}-{number}"]
        assert shlex.split(command) == words
        (folder / f"my models-{number}").mkdir()
        refusals.append(command)
    (folder / "my models-2").rmdir()
    exported = shell(refusals[0])
    assert exported.returncode == 0, exported.stderr
    assert f"exported newer as version 1 of {repository}-2" in exported.stdout


@pytest.mark.parametrize(
    ("target", "variable", "command"),
    [("inspect", "INSPECT", ["digitforge-export", "--inspect"]), ("evaluate", "WHAT", ["digitforge-evaluate"])],
)
def test_make_hands_a_path_on_as_one_word(
    target: str, variable: str, command: list[str], folder: Path, shell: Shell
) -> None:
    line = f"make {target} {variable}={shlex.quote(str(folder).replace('$', '$$'))}"
    name, *options = command
    assert recipe(line, shell) == [f"{sys.prefix}/bin/{name}", *options, str(folder)]
