"""`digitforge-serve` before it serves: its options, and what ends it at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from subprocess import CompletedProcess

import pytest

ROOT = Path(__file__).parents[2]
RunModule = Callable[..., CompletedProcess[str]]


def test_version_is_told(run_module: RunModule) -> None:
    assert run_module("serving", "--version").stdout == f"digitforge {version('digitforge')}\n"


@pytest.mark.parametrize(
    ("options", "word"), [(["--variant", "int8"], "int8"), (["--versions", "7"], "version 7"), (["--device", "x"], "x")]
)
def test_wrong_option_is_told_rather_than_the_busy_port(
    run_module: RunModule, address: str, model_repository: Path, options: list[str], word: str
) -> None:
    port = address.rpartition(":")[2]
    result = run_module("serving", "--model-repository", model_repository, "--port", port, *options)
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    assert word in line
    assert "in use" not in line


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_while_it_starts_is_told_in_a_word(tmp_path: Path, workers: str) -> None:
    config = tmp_path / "settings.toml"
    os.mkfifo(config)
    command = [sys.executable, "-m", "serving", "--workers", workers, "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        with config.open("w"):  # once the server has opened it as well, which then waits for what is written
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        assert process.communicate() == ("", "interrupted\n")
