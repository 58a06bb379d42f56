"""No NaN survives: a run that diverges goes back to its last good state, slows down what caused it, and says so."""

import json
from pathlib import Path

import pytest
import torch

from training.checkpoint import Checkpoint, load_checkpoint
from training.config import PRESETS, TrainingConfig
from training.data import DataSet
from training.gan import DivergedError, Gan
from training.interrupts import StopRequest
from training.loop import train

CPU = torch.device("cpu")
CONFIG = PRESETS["default"].with_options(
    {"dataset": "sklearn-digits", "images": 2048, "milestone_images": 512, "log_steps": 2}
)


class Poison(StopRequest):
    """Asked before every step; at one of them it breaks a weight, as a bit that flips in memory would."""

    def __init__(self, at_step: int, times: int = 1) -> None:
        self.at_step = at_step
        self.times = times
        self.gan: Gan | None = None

    def __bool__(self) -> bool:
        if self.gan is not None and self.gan.steps == self.at_step and self.times:
            self.times -= 1
            with torch.no_grad():
                self.gan.discriminator.logit.bias.fill_(float("nan"))
        return False


def poisoned_run(
    config: TrainingConfig, data: DataSet, path: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> tuple[Checkpoint, list[str]]:
    original = Gan.__init__

    def remember(self: Gan, *arguments: object) -> None:
        original(self, *arguments)  # type: ignore[arg-type]
        poison.gan = self

    monkeypatch.setattr(Gan, "__init__", remember)
    run, lines = Checkpoint(config, "test", "none"), list[str]()
    train(run, data, path, CPU, poison, lines.append)
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
    assert min(saved.governor["rates"].values()) == 0.5


def test_a_run_that_diverges_before_its_first_milestone_starts_over(
    small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lines = poisoned_run(CONFIG, small_digits, tmp_path, Poison(at_step=1), monkeypatch)
    assert run.recoveries == 1
    assert any("it goes on from 0 " in line for line in lines)


def test_a_run_that_always_diverges_ends_with_its_last_good_checkpoint(
    small_digits: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DivergedError):
        poisoned_run(CONFIG, small_digits, tmp_path, Poison(at_step=6, times=99), monkeypatch)
    assert load_checkpoint(tmp_path).images_seen == 512
