"""What an exported model says of itself, in its file's `metadata_props`. The keys are documented in
docs/model-metadata.md; serving/ reads some of them by the same names.
"""

import json
from datetime import UTC, datetime

from training.checkpoint import Checkpoint

PREFIX = "digitforge."
SCHEMA = 1
THRESHOLD = 0.5
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
    if run.quality is None:
        raise ValueError(f"run {run.run_id} is not finished")
    values = {
        "schema": str(SCHEMA),
        "role": role,
        "run_id": run.run_id,
        "dataset": run.dataset,
        "preset": run.config.preset,
        "latent_size": str(run.config.latent_size),
        "classes": str(run.config.classes),
        "images_seen": str(run.images_seen),
        "training_seconds": f"{run.elapsed_s:.0f}",
        "source_commit": run.source_commit,
        "config": json.dumps(run.config.model_dump(), sort_keys=True),
        "config_hash": run.config.digest(),
        "quality": json.dumps({name: float(f"{value:.6g}") for name, value in run.quality.items()}),
        "calibration": "none",
        "threshold": str(THRESHOLD),
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {PREFIX + name: value for name, value in values.items()}
