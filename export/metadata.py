"""What an exported model says of itself, in its file's `metadata_props`. The keys are documented in
docs/model-metadata.md; serving/ reads some of them by the same names.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import onnx

from digitforge.machine.processor import kind_of_processor
from training.checkpoint import Checkpoint
from training.model_card import describe, quality_text

PREFIX = "digitforge."
SCHEMA = 1
NAMES = (
    "schema",
    "role",
    "variant",
    "run_id",
    "dataset",
    "preset",
    "latent_size",
    "classes",
    "class_names",
    "images_seen",
    "training_seconds",
    "source_commit",
    "config",
    "config_hash",
    "quality",
    "calibration",
    "threshold",
    "one_digit_threshold",
    "verified_on",
    "exported",
)
KEYS = frozenset(PREFIX + name for name in NAMES)


FP32 = "fp32"  # the variant that `model.onnx` is


def metadata_of(run: Checkpoint, role: str) -> dict[str, str]:
    """All keys for one model of a finished run, as float32; `role` is `generator` or `discriminator`."""
    values = {
        **describe(run),
        "schema": str(SCHEMA),
        "role": role,
        "variant": FP32,
        "calibration": json.dumps(run.calibration) if run.calibration else "none",
        "threshold": str(run.threshold),
        "one_digit_threshold": "none" if run.one_digit_threshold is None else str(run.one_digit_threshold),
        "verified_on": kind_of_processor(),
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {PREFIX + name: value for name, value in values.items()}


def with_quality(model: onnx.ModelProto, variant: str, quality: Mapping[str, float]) -> dict[str, str]:
    """A model's metadata, as a variant of it has them: what the variant is worth by its own measurement."""
    # ONNX Runtime's quantiser leaves a note of its own there.
    values = {entry.key: entry.value for entry in model.metadata_props if entry.key.startswith(PREFIX)}
    own = {"variant": variant, "quality": quality_text(quality)}
    return values | {PREFIX + name: value for name, value in own.items()}
