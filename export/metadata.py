"""What an exported model says of itself, in its file's `metadata_props`. The keys are documented in
docs/model-metadata.md; serving/ reads some of them by the same names.
"""

import json
from datetime import UTC, datetime

from training.checkpoint import Checkpoint
from training.detector import THRESHOLD
from training.model_card import describe

PREFIX = "digitforge."
SCHEMA = 1
NAMES = (
    "schema",
    "role",
    "run_id",
    "dataset",
    "preset",
    "latent_size",
    "classes",
    "images_seen",
    "training_seconds",
    "source_commit",
    "config",
    "config_hash",
    "quality",
    "calibration",
    "threshold",
    "exported",
)
KEYS = frozenset(PREFIX + name for name in NAMES)


def metadata_of(run: Checkpoint, role: str) -> dict[str, str]:
    """All keys for one model of a finished run; `role` is `generator` or `discriminator`."""
    values = {
        **describe(run),
        "schema": str(SCHEMA),
        "role": role,
        "calibration": json.dumps(run.calibration) if run.calibration else "none",
        "threshold": str(run.calibration["threshold"] if run.calibration else THRESHOLD),
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {PREFIX + name: value for name, value in values.items()}
