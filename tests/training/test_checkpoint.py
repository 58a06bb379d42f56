"""A checkpoint's file holds the whole state of a run."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from training import checkpoint as module
from training.checkpoint import (
    FORMAT,
    NAME,
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_atomically,
    save_checkpoint,
)
from training.config import PRESETS


def test_every_field_is_read_as_it_was_written(tmp_path: Path) -> None:
    weights = {"layer.weight": torch.tensor([0.5])}
    written = Checkpoint(
        config=PRESETS["article"].with_options({"seed": 3}),
        run_id="my-run",
        source_commit="abc, def",
        torch_version="0.0",
        data_fingerprint="f00",
        images_seen=1234,
        elapsed_s=5.5,
        gan={"steps": 7},
        latents_rng=torch.tensor([1], dtype=torch.uint8),
        governor={"rates": {"generator": 0.5}},
        balance={"state": "balanced"},
        recoveries=2,
        best={"frechet_distance": 3.5, "generator": weights},
        snapshots=[{"images_seen": 5, "generator": weights}],
        finished=True,
        generator=weights,
        discriminator={"other": torch.tensor([2.0])},
        calibration={"threshold": 0.25},
        quality={"auroc": 0.75},
    )
    save_checkpoint(written, tmp_path)
    read = load_checkpoint(tmp_path)
    untouched = Checkpoint(PRESETS["default"], "", "", torch_version="")
    for field in fields(Checkpoint):
        value = getattr(written, field.name) if field.name != "torch_version" else torch.__version__
        assert getattr(read, field.name) == value, field.name
        assert value != getattr(untouched, field.name), field.name  # a default would pass unread
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_threshold_is_the_calibrations_or_a_half() -> None:
    run = Checkpoint(PRESETS["default"], "", "")
    assert run.threshold == 0.5
    run.calibration = {"threshold": 0.125}
    assert run.threshold == 0.125


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            FORMAT - 1,
            f"format {FORMAT - 1}, this digitforge reads format {FORMAT}: .* older digitforge, of the commit abc;",
        ),
        (FORMAT + 1, f"format {FORMAT + 1}, this digitforge reads format {FORMAT}: .* newer digitforge; install that"),
    ],
)
def test_another_format_is_told_with_what_reads_it(
    found: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORMAT", found)
    save_checkpoint(Checkpoint(PRESETS["default"], "my-run", "abc"), tmp_path)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(tmp_path)


def test_what_another_torch_wrote_and_this_one_cannot_read_is_told_with_both_versions(tmp_path: Path) -> None:
    newer = {"format": FORMAT, "torch_version": "9.8.7", "gan": tmp_path}  # of a type that weights_only refuses
    save_atomically(newer, tmp_path / NAME)
    words = rf"written by torch 9\.8\.7, this is {re.escape(torch.__version__)}; install that one .* pathlib\.\w+$"
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("keep", [0, 0.5, 0.95])
def test_a_torn_file_is_refused_and_no_torch_is_blamed(keep: float, tmp_path: Path) -> None:
    save_checkpoint(Checkpoint(PRESETS["default"], "my-run", "abc"), tmp_path)
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt cannot be read") as told:
        load_checkpoint(tmp_path)
    assert str(told.value).endswith(("it is torn", "it is torn, or no checkpoint"))


def test_other_files_of_torchs_are_no_checkpoints(tmp_path: Path) -> None:
    save_atomically({"weight": torch.zeros(2)}, tmp_path / NAME)
    with pytest.raises(CheckpointError, match="no checkpoint of digitforge's"):
        load_checkpoint(tmp_path)
