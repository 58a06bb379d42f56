"""No NaN survives: a run that diverges goes back to its last good state, slows down what caused it, and says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.tiny_runs import CONFIGS, CPU
from training.checkpoint import Checkpoint, load_checkpoint
from training.config import TrainingConfig
from training.data import DataSet
from training.gan import DivergedError, Gan
from training.interrupts import StopRequest
from training.loop import MOST_RECOVERIES, train
from training.workers import Workers

ROOT = Path(__file__).parents[2]
# Not governed: what is known of the preset's pace is not true of small networks.
CONFIG = CONFIGS["default"].with_options(
    {"images": 2048, "log_steps": 2, "generator_pace": 0, "discriminator_pace": 0, "detector_images": 0}
)
# 19 steps, and the last one is no milestone.
BEYOND_A_MILESTONE = CONFIG.with_options({"images": 2321, "milestone_images": 1024})
LAST_STEP = 19


class Poison(StopRequest):
    """Asked after every step; at one of them it breaks a weight, as a bit that flips in memory would.

    With `stop` it also is a wish to stop from there on.
    """

    def __init__(self, at_step: int, times: int = 1, network: str = "discriminator", stop: bool = False) -> None:
        self.at_step = at_step
        self.times = times
        self.network = network
        self.stop = stop
        self.gan: Gan | None = None

    def __bool__(self) -> bool:
        if self.gan is not None and self.gan.steps == self.at_step and self.times:
            self.times -= 1
            self.requested = self.stop
            with torch.no_grad():
                next(iter(getattr(self.gan, self.network).parameters())).fill_(float("nan"))
        return self.requested


def poisoned_run(
    config: TrainingConfig,
    data: DataSet,
    path: Path,
    poison: Poison,
    monkeypatch: pytest.MonkeyPatch,
    workers: Workers | None = None,
) -> tuple[Checkpoint, list[str]]:
    original = Gan.__init__

    def remember(self: Gan, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        poison.gan = self

    monkeypatch.setattr(Gan, "__init__", remember)
    run, lines = Checkpoint(config, "test", "none"), list[str]()
    train(run, data, path, CPU, poison, lines.append, workers)
    return run, lines


def test_a_diverged_run_recovers_and_says_so(
    small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lines = poisoned_run(CONFIG, small_digits, tmp_path, Poison(at_step=6), monkeypatch)

    assert run.images_seen >= 2048
    assert run.recoveries == 1
    (line,) = [line for line in lines if "diverged" in line]
    assert "it goes on from 512" in line
    assert "halved" in line
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [entry["event"] for entry in entries if "event" in entry].count("recovered") == 1
    saved = load_checkpoint(tmp_path)
    assert saved.gan is not None
    assert all(weight.isfinite().all() for weight in saved.gan["discriminator"].values())
    assert saved.governor is not None
    assert saved.governor["rates"] == {"generator": 0.5, "discriminator": 0.5}  # no pace tells which one it was


def test_a_run_that_diverges_before_its_first_milestone_starts_over(
    small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lines = poisoned_run(CONFIG, small_digits, tmp_path, Poison(at_step=1), monkeypatch)
    assert run.recoveries == 1
    assert any("it goes on from 0 " in line for line in lines)


def test_a_run_that_always_diverges_ends_with_its_last_good_checkpoint(
    small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(at_step=6, times=99)
    with pytest.raises(DivergedError):
        poisoned_run(CONFIG, small_digits, tmp_path, poison, monkeypatch)
    assert 99 - poison.times == MOST_RECOVERIES + 1 == 11
    assert load_checkpoint(tmp_path).images_seen == 512


@pytest.mark.parametrize("network", ["discriminator", "ema"])
def test_a_run_that_diverges_at_its_last_step_recovers(
    network: str, small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(LAST_STEP, network=network)
    run, lines = poisoned_run(BEYOND_A_MILESTONE, small_digits, tmp_path, poison, monkeypatch)
    assert run.recoveries == 1
    assert any("the run diverged after 2,321 images" in line and "it goes on from 2,065" in line for line in lines)
    assert_whole(tmp_path, images_seen=2321)


def test_a_run_that_diverges_where_it_is_stopped_saves_its_last_good_state(
    small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Poison(at_step=11, stop=True)
    poisoned_run(BEYOND_A_MILESTONE, small_digits, tmp_path, poison, monkeypatch)
    assert_whole(tmp_path, images_seen=1024)


def assert_whole(folder: Path, images_seen: int) -> None:
    saved = load_checkpoint(folder)
    assert saved.images_seen == images_seen
    assert saved.recoveries == 1
    assert saved.gan is not None
    for network in ("generator", "discriminator", "ema"):
        assert all(weight.isfinite().all() for weight in saved.gan[network].values())


def test_two_processes_recover_from_the_last_step_together(tmp_path: Path) -> None:
    """Only the first one measures, and both have to see what is wrong."""
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import sys
from pathlib import Path
import pytest
from tests.training.test_recovery import BEYOND_A_MILESTONE, CPU, LAST_STEP, Poison, poisoned_run
from training.data import load_data_set
from training.workers import join_workers

with join_workers(CPU) as workers, pytest.MonkeyPatch.context() as monkeypatch:
    data = load_data_set("sklearn-digits", Path("nowhere"))
    poison = Poison(LAST_STEP, network="ema")
    run, _ = poisoned_run(BEYOND_A_MILESTONE, data, Path({str(tmp_path)!r}), poison, monkeypatch, workers)
    sys.exit(run.recoveries != 1)
"""
    )
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr
    assert_whole(tmp_path, images_seen=2321)
