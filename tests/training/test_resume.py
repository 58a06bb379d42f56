"""A run that was stopped, or killed, and resumed is the run that was never interrupted."""

import json
from pathlib import Path

import pytest
import torch

from training.checkpoint import NAME, Checkpoint, CheckpointError, load_checkpoint
from training.config import PRESETS, TrainingConfig
from training.data import DataSet
from training.finish import finish
from training.interrupts import StopRequest
from training.loop import train

CPU = torch.device("cpu")
CONFIGS = {
    "default": PRESETS["default"].with_options(
        {"images": 2600, "milestone_images": 512, "detector_images": 512, "log_steps": 3}
    ),
    "article": PRESETS["article"].with_options({"epochs": 2, "log_steps": 3}),
}


class StopAfter(StopRequest):
    """A wish to stop that comes after so many looks at it."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __bool__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def new_run(config: TrainingConfig, data: DataSet) -> Checkpoint:
    return Checkpoint(config.with_options({"dataset": data.name}), "test", "none")


def run(config: TrainingConfig, data: DataSet, path: Path) -> Checkpoint:
    """A whole run."""
    return go_on(new_run(config, data), data, path)


def go_on(state: Checkpoint, data: DataSet, path: Path) -> Checkpoint:
    gan = train(state, data, path, CPU, StopRequest(), lambda _: None)
    assert gan is not None
    finish(state, gan, data, path, StopRequest(), lambda _: None)
    return state


def assert_same(first: Checkpoint, second: Checkpoint) -> None:
    """All weights, optimizer states and figures, bit by bit."""
    for name in ("generator", "discriminator"):
        assert getattr(first, name).keys() == getattr(second, name).keys()
        for key, tensor in getattr(first, name).items():
            assert torch.equal(tensor, getattr(second, name)[key]), f"{name}.{key}"
    assert first.quality == second.quality
    assert len(first.snapshots) == len(second.snapshots) > 0
    for one, other in zip(first.snapshots, second.snapshots, strict=True):
        assert one["images_seen"] == other["images_seen"]
        assert all(torch.equal(tensor, other["generator"][key]) for key, tensor in one["generator"].items())
    assert first.gan is not None
    assert second.gan is not None
    for optimizer in ("generator_optimizer", "discriminator_optimizer"):
        for index, state in first.gan[optimizer]["state"].items():
            for moment in ("step", "exp_avg", "exp_avg_sq"):
                assert torch.equal(state[moment], second.gan[optimizer]["state"][index][moment])


def metrics(path: Path) -> list[dict[str, float]]:
    """All but the time."""
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "elapsed_s"} for line in lines]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("steps", [1, 9])
def test_a_stopped_and_resumed_run_is_the_same(name: str, steps: int, small_digits: DataSet, tmp_path: Path) -> None:
    whole = run(CONFIGS[name], small_digits, tmp_path / "whole")

    parts = tmp_path / "parts"
    state = new_run(CONFIGS[name], small_digits)
    assert train(state, small_digits, parts, CPU, StopAfter(steps), lambda _: None) is None
    resumed = go_on(load_checkpoint(parts), small_digits, parts)

    assert_same(whole, resumed)
    assert metrics(parts) == metrics(tmp_path / "whole")


def test_a_run_killed_between_two_checkpoints_is_the_same(small_digits: DataSet, tmp_path: Path) -> None:
    whole = run(CONFIGS["default"], small_digits, tmp_path / "whole")

    parts = tmp_path / "parts"
    state = new_run(CONFIGS["default"], small_digits)
    train(state, small_digits, parts, CPU, StopAfter(6), lambda _: None)
    checkpoint = (parts / NAME).read_bytes()
    train(state, small_digits, parts, CPU, StopAfter(4), lambda _: None)
    (parts / NAME).write_bytes(checkpoint)  # what the disk would hold had it been killed instead of stopped
    with (parts / "metrics.jsonl").open("a") as file:
        file.write('{"images": 99')
    resumed = go_on(load_checkpoint(parts), small_digits, parts)

    assert_same(whole, resumed)
    assert metrics(parts) == metrics(tmp_path / "whole")


def test_the_detector_stage_starts_over_after_a_stop(small_digits: DataSet, tmp_path: Path) -> None:
    whole = run(CONFIGS["default"], small_digits, tmp_path / "whole")

    parts = tmp_path / "parts"
    state = new_run(CONFIGS["default"], small_digits)
    gan = train(state, small_digits, parts, CPU, StopRequest(), lambda _: None)
    assert gan is not None
    finish(state, gan, small_digits, parts, StopAfter(2), lambda _: None)
    assert not load_checkpoint(parts).finished
    assert_same(whole, go_on(load_checkpoint(parts), small_digits, parts))


def test_the_same_seed_gives_the_same_run_and_another_seed_another(small_digits: DataSet, tmp_path: Path) -> None:
    config = CONFIGS["default"]
    first = run(config, small_digits, tmp_path / "first")
    assert_same(first, run(config, small_digits, tmp_path / "second"))
    other = run(config.with_options({"seed": 1}), small_digits, tmp_path / "other")
    assert other.quality != first.quality


def test_a_torn_checkpoint_is_refused_by_name(small_digits: DataSet, tmp_path: Path) -> None:
    run(CONFIGS["default"], small_digits, tmp_path)
    whole = (tmp_path / NAME).read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / NAME).write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt cannot be read"):
            load_checkpoint(tmp_path)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1)}, tmp_path / NAME)
    with pytest.raises(CheckpointError, match="not a checkpoint of format 3"):
        load_checkpoint(tmp_path)


def test_a_folder_without_a_checkpoint_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no run"):
        load_checkpoint(tmp_path)
