"""Runs of seconds: small networks on scikit-learn's digits, with everything that a run has."""

from pathlib import Path

import torch

from training.checkpoint import Checkpoint
from training.config import PRESETS, TrainingConfig
from training.data import DataSet
from training.finish import finish
from training.interrupts import StopRequest
from training.loop import train

CPU = torch.device("cpu")
SMALL = {
    "dataset": "sklearn-digits",
    "generator_hidden": (16, 32),
    "generator_channels": 4,
    "discriminator_hidden": (32, 16),
    "discriminator_channels": 2,
    "detector_channels": 2,
    "detector_pool": 16,
    "log_steps": 3,
}
CONFIGS = {
    "default": PRESETS["default"].with_options(
        SMALL | {"images": 2600, "milestone_images": 512, "detector_images": 256}
    ),
    "article": PRESETS["article"].with_options(
        {"dataset": "sklearn-digits", "generator_hidden": (16, 32), "discriminator_hidden": (32, 16)}
        | {"epochs": 2, "log_steps": 3}
    ),
}


class StopAfter(StopRequest):
    """A wish to stop that comes after so many looks at it."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def __bool__(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def new_run(config: TrainingConfig) -> Checkpoint:
    return Checkpoint(config, "test", "none")


def go_on(state: Checkpoint, data: DataSet, path: Path) -> Checkpoint:
    """Up to the end."""
    gan = train(state, data, path, CPU, StopRequest(), lambda _: None)
    assert gan is not None
    finish(state, gan, data, path, StopRequest(), lambda _: None)
    return state
