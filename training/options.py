"""The options of the trainer's command line: where to run, and every field of the config."""

import argparse
import os
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import torch
from pydantic import ValidationError

from training.config import PRESETS, TrainingConfig
from training.data import DEFAULT_FOLDER, NAMES

RUNS = Path("artifacts/runs")
DEFAULT_PRESET = "default"


class UsageError(Exception):
    """Options that do not go together, or a value out of bounds."""


def build_parser() -> argparse.ArgumentParser:
    """The options: where to run, and every field of the config."""
    parser = argparse.ArgumentParser(prog="digitforge-train", description="Train a GAN on handwritten digits.")
    parser.add_argument(
        "--preset", choices=PRESETS, default=argparse.SUPPRESS, help=f"the recipe (default: {DEFAULT_PRESET})"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("DATA_DIR") or None,
        help="folder of the data sets, or the pictures, IDX files or CSV file themselves "
        f"(default: $DATA_DIR, else {DEFAULT_FOLDER})",
    )
    parser.add_argument("--out", type=Path, help=f"the run's folder (default: a new one in {RUNS})")
    parser.add_argument(
        "--not-latest", action="store_true", help=f"leave the link to the latest run in {RUNS} as it is"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out (default: the latest)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: auto)")
    fields = parser.add_argument_group("the config: each takes the place of the preset's value")
    for name, field in TrainingConfig.model_fields.items():
        if name == "preset":
            continue
        kind: dict[str, Any] = {"choices": NAMES} if name == "dataset" else {"metavar": metavar(field.annotation)}
        if field.annotation is bool:
            kind |= {"nargs": "?", "const": "true"}
        fields.add_argument(f"--{flag(name)}", dest=name, default=argparse.SUPPRESS, help=field.description, **kind)
    return parser


def configure(overrides: dict[str, Any]) -> TrainingConfig:
    """A preset with options in the place of its other fields.

    Raises:
        UsageError: A value is out of bounds; the message names the option, the value and the limit.
    """
    try:
        return PRESETS[overrides.get("preset", DEFAULT_PRESET)].with_options(overrides)
    except ValidationError as error:
        raise UsageError("; ".join(explain(problem) for problem in error.errors())) from error


def pick_device(name: str) -> torch.device:
    """`auto` is a CUDA GPU, under torchrun each worker's own, else the CPU."""
    if name == "auto":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: {str(error).splitlines()[0]}") from error


def explain(problem: Any) -> str:
    """One of pydantic's findings in a line."""
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"--{flag(str(problem['loc'][0]))} {problem['input']}: {reason}" if problem["loc"] else reason


def flag(name: str) -> str:
    """A field's option, without the dashes."""
    return name.replace("_", "-")


def metavar(annotation: Any) -> str:
    """What an option takes, for the help text."""
    if get_origin(annotation) is tuple:
        return "NAME,NAME,..." if get_args(annotation)[0] is str else "INT,INT,..."
    return "|".join(kind.__name__.upper() for kind in get_args(annotation) or (annotation,) if kind is not NoneType)
