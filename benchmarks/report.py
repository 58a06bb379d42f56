"""What a benchmark leaves beside its table: JSON that says on what machine and how it was measured."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digitforge.machine.cores import cores_allowed
from training.provenance import source_commit

ARTIFACTS = Path("artifacts/benchmarks")
PACKAGES = ("torch", "torchvision", "torchmetrics", "numpy")


def machine() -> dict[str, Any]:
    """What ran, and how busy it was: figures from a machine that does other work at the same time are worth less."""
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "cores_allowed": cores_allowed(),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "commit": source_commit(),
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }


def processor() -> str:
    """The processor's model, as Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def write_json(name: str, figures: dict[str, Any], how: str) -> Path:
    """Write `artifacts/benchmarks/<name>.json`: the figures, how they were measured, and on what."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTIFACTS / f"{name}.json"
    path.write_text(json.dumps({"how": how, "machine": machine(), **figures}, indent=2) + "\n")
    return path
