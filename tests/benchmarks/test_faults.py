"""Injected faults: the options that they are, and the figures that they give."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import faults
from benchmarks.fault_results import faults_table, summarise
from benchmarks.faults import FAULTS, Job, Trial, finished, note_result
from benchmarks.training_process import RunFailedError
from training.config import PRESETS


def result(preset: str, fault: str, seed: int, distance: float | None) -> dict[str, Any]:
    return {
        "preset": preset,
        "fault": fault,
        "seed": seed,
        "distance": distance,
        "ratio": None if distance is None else 10 * distance,
        "diverged": distance is None,
    }


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_options_that_the_trainer_takes(preset: str, fault: str) -> None:
    given = dict(option.removeprefix("--").split("=") for option in Trial(preset, fault, 2).options())
    config = PRESETS[preset].with_options({name.replace("-", "_"): value for name, value in given.items()})
    changed = {name for name, value in config.model_dump().items() if value != getattr(PRESETS[preset], name)}
    assert len(changed - {"seed"}) == (fault != "none")


def test_ten_times_the_learning_rate_is_ten_times_the_preset() -> None:
    assert "--discriminator-lr=0.003" in Trial("article", "d_lr_x10", 0).options()


def test_distances_are_by_the_undisturbed_median_of_the_same_preset() -> None:
    results = [result("default", "none", seed, distance) for seed, distance in enumerate((1.0, 2.0, 9.0))]
    results += [result("default", "batch_16", seed, distance) for seed, distance in enumerate((2.0, 3.0, None))]
    summary = summarise(results)
    assert summary["default"]["batch_16"] == {
        "relative": 1.5,
        "min": 1.0,
        "max": None,
        "ratio": 30.0,
        "runs": 3,
        "diverged": 1,
    }
    json.dumps(summary, allow_nan=False)
    header, rows = faults_table(summary, list(FAULTS), list(PRESETS))
    assert header == ["fault", "default", "(min to max)", "by the floor"]
    assert rows[1] == ["batch_16", "1.50", "(1.00 to ∞, 1 of 3 diverged)", "30.0"]


def test_without_an_undisturbed_run_nothing_is_relative() -> None:
    summary = summarise([result("default", "batch_16", 0, 2.0)])
    _, rows = faults_table(summary, list(FAULTS), list(PRESETS))
    assert rows == [["batch_16", "–", "(– to –)", "20.0"]]


@pytest.mark.parametrize(
    "message",
    [
        "digitforge-train: after 12,800 images the losses are {'d_loss': nan}",
        "digitforge-train: generator.first.weight is no finite number any more",
    ],
)
def test_divergence_is_told_from_other_failures(message: str) -> None:
    assert faults.DIVERGED.search(message)
    assert not faults.DIVERGED.search("digitforge-train: mnist is neither in data nor to be downloaded")


def ended_job(folder: Path, code: int, words: str) -> Job:
    """A run that ended so, as the bench finds it."""
    run = folder / "run"
    run.mkdir()
    (run / "checkpoint.pt").write_bytes(b"large")
    (run / "metrics.jsonl").write_text(
        '{"images": 128, "event": "pace", "text": "slower"}\n'
        '{"images": 256, "test/frechet_distance": 0.5, "test/frechet_ratio": 10.0}\n'
    )
    (folder / "run.log").write_text(f"something\n{words}\n")
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    process.wait()
    return Job(Trial("default", "batch_16", 0), run, process, None)


@pytest.fixture
def no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "FOLDER", tmp_path)
    monkeypatch.setattr(faults, "RESULTS", tmp_path / "results.jsonl")


@pytest.mark.usefixtures("no_results")
def test_a_finished_run_is_noted_and_found_again_by_its_settings(tmp_path: Path) -> None:
    noted = note_result(ended_job(tmp_path, 0, "finished"), {"threads": 1})
    assert (noted["distance"], noted["ratio"], noted["images"], noted["diverged"]) == (0.5, 10.0, 256, False)
    assert [event["event"] for event in noted["events"]] == ["pace"]
    assert finished(Trial("default", "batch_16", 0), {"threads": 1}) == noted
    assert finished(Trial("default", "batch_16", 0), {"threads": 2}) is None
    assert finished(Trial("default", "batch_16", 1), {"threads": 1}) is None
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.usefixtures("no_results")
def test_a_diverged_run_is_a_result(tmp_path: Path) -> None:
    noted = note_result(ended_job(tmp_path, 1, "generator.first.weight is no finite number any more"), {})
    assert (noted["diverged"], noted["distance"], noted["exit_code"]) == (True, None, 1)
    assert noted["message"].startswith("generator.first.weight")


@pytest.mark.usefixtures("no_results")
def test_another_failure_ends_the_bench(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="No space left"):
        note_result(ended_job(tmp_path, 1, "No space left on device"), {})
    assert not (tmp_path / "results.jsonl").exists()
