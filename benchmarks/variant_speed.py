"""How fast a version's variants are beside its `model.onnx`: one thread of ONNX Runtime, the same rows, in turns.

What counts is the ratio: both take their turns within the same second, and what is measured is the thread's own time on
the processor, so that other work on the machine changes little.

    python -m benchmarks.variant_speed artifacts/models
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import write_json
from judge.tables import text_table
from serving.engine.device import CPU
from serving.engine.runner import Runner
from serving.repository.model_repository import DISCRIMINATOR, GENERATOR, MODEL_FILE, choose_versions, model_path

NAME = "variant_speed"
WARM_UP = 5  # runs
REPEATS = 3  # in a turn
HOW = "Medians over turns of the thread's time for one batch; the ratio is the median of those within a turn."


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variant_speed", description=__doc__.splitlines()[0])
    parser.add_argument("repository", type=Path, help="a model repository; its newest version is taken")
    parser.add_argument("--batch", type=int, default=64, help="rows at a time (default: 64)")
    parser.add_argument("--turns", type=int, default=100, help="how many (default: 100)")
    options = parser.parse_args()
    versions = choose_versions(options.repository, [])
    if not versions:
        print(f"{options.repository} has no complete version", file=sys.stderr)
        return 1
    [version] = versions
    figures = []
    for model in (GENERATOR, DISCRIMINATOR):
        path = model_path(options.repository, model, version)
        for variant in sorted(path.parent.glob("model.*.onnx")):
            figures.append({"model": model, **beside(path, variant, options.batch, options.turns)})
    if not figures:
        print(f"version {version} of {options.repository} has no variants beside {MODEL_FILE}", file=sys.stderr)
        return 1
    rows = [
        (
            f"{entry['model']} {entry['variant']}",
            f"{entry['fp32_ms']:.2f} ms",
            f"{entry['variant_ms']:.2f} ms",
            f"{entry['ratio']:.2f}",
        )
        for entry in figures
    ]
    print(text_table((f"batch of {options.batch}", "model.onnx", "variant", "times as fast"), rows))
    print(f"written to {write_json(NAME, {'batch': options.batch, 'figures': figures}, HOW)}")
    return 0


def beside(fp32: Path, variant: Path, batch: int, turns: int) -> dict[str, Any]:
    """Time a variant and the model beside each other."""
    runners = [Runner(path, CPU, 1) for path in (fp32, variant)]
    rng = np.random.default_rng(0)
    rows: dict[str, np.ndarray] = {
        "z": rng.standard_normal((batch, int(runners[0].properties["digitforge.latent_size"])), np.float32),
        "digit": (np.arange(batch) % 10)[:, None],
        "images": rng.integers(0, 256, (batch, 28, 28), np.uint8),
    }
    if runners[0].properties["digitforge.role"] == GENERATOR:
        del rows["images"]
        if not int(runners[0].properties["digitforge.classes"]):
            del rows["digit"]
    else:
        rows = {"images": rows["images"]}
    for runner in runners:
        for _ in range(WARM_UP):
            runner.run(rows)
    times = [[time_of(runner, rows) for runner in runners] for _ in range(turns)]
    return {
        "variant": variant.name,
        "fp32_ms": 1e3 * statistics.median(turn[0] for turn in times),
        "variant_ms": 1e3 * statistics.median(turn[1] for turn in times),
        "ratio": statistics.median(turn[0] / turn[1] for turn in times),
    }


def time_of(runner: Runner, rows: dict[str, np.ndarray]) -> float:
    """Seconds of this thread on the processor for a batch, over a few; ONNX Runtime has no other thread."""
    begin = time.thread_time()
    for _ in range(REPEATS):
        runner.run(rows)
    return (time.thread_time() - begin) / REPEATS


if __name__ == "__main__":
    sys.exit(main())
