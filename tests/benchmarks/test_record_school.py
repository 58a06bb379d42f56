"""What the recorder of the page's school writes of a run, on scikit-learn's digits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import record_school
from benchmarks.record_school import RUNS, coarse, command, push_levels, record
from benchmarks.school_moments import BINS, PUSHED, SHOWN, histogram
from tests.training.tiny_runs import SMALL
from training.data import DataSet
from training.options import build_parser

TINY = SMALL | {"images": 1_300, "measure_milestones": 0, "detector_images": 0, "log_steps": 1}


def recorded(name: str, data: DataSet, out: Path) -> dict[str, Any]:
    out.mkdir()
    record(name, RUNS[name], data, out)
    told: dict[str, Any] = json.loads((out / f"{name}.json").read_text())
    return told


@pytest.fixture
def tiny_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_school, "COMMON", TINY)


@pytest.mark.usefixtures("tiny_runs")
def test_the_same_command_writes_the_same_files(small_digits: DataSet, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        recorded("balanced", small_digits, tmp_path / folder)
    first, second = (sorted((tmp_path / folder).iterdir()) for folder in ("first", "second"))
    assert [path.name for path in first] == ["balanced-digits.png", "balanced-push.png", "balanced.json"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.usefixtures("tiny_runs")
def test_every_moment_has_its_row_and_its_figures(small_digits: DataSet, tmp_path: Path) -> None:
    told = recorded("generator-too-strong", small_digits, tmp_path / "out")
    moments = len(told["images"])
    assert told["images"][0] == 0
    assert told["images"][-1] >= TINY["images"]
    assert told["images"] == sorted(set(told["images"]))
    for kind, columns in (("digits", SHOWN), ("push", PUSHED)):
        with Image.open(tmp_path / "out" / f"generator-too-strong-{kind}.png") as picture:
            assert picture.size == (28 * columns, 28 * moments)
    counted = [sum(counts) for kind in ("real", "fake") for counts in told["scores"][kind]]
    assert len(counted) == 2 * moments
    assert set(counted) == {len(small_digits.held_out), told["scores"]["images"]}
    assert all(len(told[name]) == moments for name in ("real_mean", "fake_mean", "d_loss", "g_loss"))


@pytest.mark.usefixtures("tiny_runs")
def test_what_the_governor_did_and_would_have_done_is_told_in_its_words(small_digits: DataSet, tmp_path: Path) -> None:
    balanced = recorded("balanced", small_digits, tmp_path / "balanced")
    assert next(event["text"] for event in balanced["events"] if event["kind"] == "pace").startswith("the ")
    assert balanced["governor_would_say"] is None
    provoked = recorded("generator-too-strong", small_digits, tmp_path / "provoked")
    assert "pace" not in [event["kind"] for event in provoked["events"]]
    assert "its learning rate is now" in provoked["governor_would_say"]


@pytest.mark.parametrize("name", RUNS)
def test_the_command_that_is_told_is_one_of_the_trainers(name: str) -> None:
    program, *arguments = command(record_school.COMMON | RUNS[name]).split()
    assert program == "digitforge-train"
    build_parser().parse_args(arguments)


def test_no_push_is_the_middle_and_the_strongest_are_the_ends() -> None:
    pushes = torch.zeros(1, 1, 784)
    pushes[0, 0, :4] = torch.tensor([2.0, -2.0, 9.0, 1.0])
    levels = push_levels(pushes, torch.tensor([2.0])).flatten()
    assert levels[:5].tolist() == [255, 1, 255, 200, 128]


def test_a_picture_keeps_its_levels(tmp_path: Path) -> None:
    images = coarse(torch.arange(256, dtype=torch.uint8).repeat(4)[:784].reshape(1, 1, 28, 28))
    record_school.save_picture(tmp_path / "levels.png", images)
    with Image.open(tmp_path / "levels.png") as picture:
        assert np.array_equal(np.asarray(picture.convert("L")), images[0, 0].numpy())


def test_certainty_is_counted_at_both_ends() -> None:
    counts = histogram(torch.tensor([0.0, 0.01, 1.0, 0.5]))
    assert (len(counts), counts[0], counts[-1], sum(counts)) == (BINS, 2, 1, 4)
