"""A checkpoint's file holds the whole state of a run."""

from dataclasses import fields
from pathlib import Path

import torch

from training.checkpoint import NAME, Checkpoint, load_checkpoint, save_checkpoint
from training.config import PRESETS


def test_every_field_is_read_as_it_was_written(tmp_path: Path) -> None:
    weights = {"layer.weight": torch.tensor([0.5])}
    written = Checkpoint(
        config=PRESETS["article"].with_options({"seed": 3}),
        run_id="my-run",
        source_commit="abc, def",
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
    untouched = Checkpoint(PRESETS["default"], "", "")
    for field in fields(Checkpoint):
        value = getattr(written, field.name)
        assert getattr(read, field.name) == value, field.name
        assert value != getattr(untouched, field.name), field.name  # a default would pass unread
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_threshold_is_the_calibrations_or_a_half() -> None:
    run = Checkpoint(PRESETS["default"], "", "")
    assert run.threshold == 0.5
    run.calibration = {"threshold": 0.125}
    assert run.threshold == 0.125
