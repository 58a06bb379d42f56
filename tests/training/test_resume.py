"""A run that was stopped, or killed, and resumed is the run that was never interrupted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.training.tiny_runs import CONFIGS, CPU, StopAfter, go_on, new_run
from training.checkpoint import NAME, Checkpoint, CheckpointError, load_checkpoint
from training.data import DataSet
from training.detector import POOL
from training.finish import finish
from training.interrupts import StopRequest
from training.loop import train

WholeRun = Callable[[str], tuple[Checkpoint, Path]]


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
def test_a_stopped_and_resumed_run_is_the_same(
    name: str, steps: int, whole_run: WholeRun, small_digits: DataSet, tmp_path: Path
) -> None:
    state = new_run(CONFIGS[name])
    assert train(state, small_digits, tmp_path, CPU, StopAfter(steps), lambda _: None) is None
    resumed = go_on(load_checkpoint(tmp_path), small_digits, tmp_path)

    whole, folder = whole_run(name)
    assert_same(whole, resumed)
    assert metrics(tmp_path) == metrics(folder)


def test_a_run_killed_between_two_checkpoints_is_the_same(
    whole_run: WholeRun, small_digits: DataSet, tmp_path: Path
) -> None:
    state = new_run(CONFIGS["default"])
    train(state, small_digits, tmp_path, CPU, StopAfter(6), lambda _: None)
    checkpoint = (tmp_path / NAME).read_bytes()
    train(state, small_digits, tmp_path, CPU, StopAfter(4), lambda _: None)
    (tmp_path / NAME).write_bytes(checkpoint)  # what the disk would hold had it been killed instead of stopped
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"images": 99')
    resumed = go_on(load_checkpoint(tmp_path), small_digits, tmp_path)

    whole, folder = whole_run("default")
    assert_same(whole, resumed)
    assert metrics(tmp_path) == metrics(folder)


@pytest.mark.parametrize("looks", [2, 20, 47])
def test_the_detector_stage_goes_on_after_a_stop(
    looks: int, whole_run: WholeRun, small_digits: DataSet, tmp_path: Path
) -> None:
    """Stopped while fakes are made, while the pool is, and between two steps."""
    state = new_run(CONFIGS["default"])
    gan = train(state, small_digits, tmp_path, CPU, StopRequest(), lambda _: None)
    assert gan is not None
    finish(state, gan, small_digits, tmp_path, StopAfter(looks), lambda _: None)
    assert not load_checkpoint(tmp_path).finished
    assert (tmp_path / POOL).exists() == (looks == 47)
    assert_same(whole_run("default")[0], go_on(load_checkpoint(tmp_path), small_digits, tmp_path))


def test_the_same_seed_gives_the_same_run_and_another_seed_another(
    whole_run: WholeRun, small_digits: DataSet, tmp_path: Path
) -> None:
    whole, _ = whole_run("default")
    assert_same(whole, go_on(new_run(CONFIGS["default"]), small_digits, tmp_path / "again"))
    other = go_on(new_run(CONFIGS["default"].with_options({"seed": 1})), small_digits, tmp_path / "other")
    assert other.quality != whole.quality


def test_a_torn_checkpoint_is_refused_by_name(whole_run: WholeRun, tmp_path: Path) -> None:
    whole = (whole_run("default")[1] / NAME).read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / NAME).write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt cannot be read"):
            load_checkpoint(tmp_path)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1)}, tmp_path / NAME)
    with pytest.raises(CheckpointError, match="is no checkpoint of digitforge"):
        load_checkpoint(tmp_path)


def test_a_folder_without_a_checkpoint_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no run"):
        load_checkpoint(tmp_path)
