"""What the matrix products of a training step take when nothing else is done: the roof of the step's own shapes.

The products (and convolutions) of some steps are taken down with their operands, and each kind is timed alone.

    python -m benchmarks.step_products --preset default
"""

import argparse
import json
import time
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from training.config import PRESETS, TrainingConfig
from training.gan import Gan
from training.processes import processes_for, workers_here

CPU = torch.device("cpu")
ATEN = torch.ops.aten
PRODUCTS = (ATEN.mm.default, ATEN.addmm.default, ATEN.convolution.default, ATEN.convolution_backward.default)
REPETITIONS = 20


class Recorder(TorchDispatchMode):
    """Takes down the products that are made within it: how many of each kind, and the operands of one."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, tuple[Any, tuple[Any, ...]]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in PRODUCTS:
            operands = [(tuple(arg.shape), arg.stride()) if isinstance(arg, torch.Tensor) else arg for arg in args]
            kind = f"{function} {operands}"
            self.counts[kind] += 1
            self.examples.setdefault(kind, (function, args))
        return function(*args, **(kwargs or {}))


def products_s(config: TrainingConfig, rows: int) -> float:
    """Seconds that a step's products take alone, on average over as many steps as a penalty's interval has.

    Args:
        config: The run's; its bfloat16 counts.
        rows: Real images that the step sees in this process.
    """
    gan = Gan(config, CPU)
    steps = config.r1_interval if config.r1_gamma else 1
    images, digits = torch.zeros(rows, 28, 28, dtype=torch.uint8), torch.arange(rows) % max(1, config.classes)
    with Recorder() as recorder:
        for _ in range(steps):
            latents, fresh_latents = torch.randn(2, rows, config.latent_size)
            gan.step(images, digits, latents, fresh_latents if config.fresh_latents else None, config.step_size)
    with torch.no_grad():
        return sum(count * _fastest(*recorder.examples[kind]) for kind, count in recorder.counts.items()) / steps


def _fastest(function: Any, args: tuple[Any, ...]) -> float:
    """Seconds of the fastest of some calls."""
    best = float("inf")
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        function(*args)
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print a line of JSON: seconds for a real image of a run, all its processes at work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step_products", description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parser.add_argument("--device", choices=["cpu"], default="cpu")
    options = parser.parse_args()
    config = PRESETS[options.preset].with_options({"bfloat16": False})
    processes = processes_for(config, CPU)
    rows = config.step_size // processes
    torch.set_flush_denormal(True)
    with workers_here(processes, lambda _: keep_at_it(config, rows)):  # which share caches and memory with this one
        seconds = products_s(config, rows)
    print(json.dumps({"seconds_per_image": seconds / config.step_size}))


def keep_at_it(config: TrainingConfig, rows: int) -> None:
    """The same products until the process is ended."""
    while True:
        products_s(config, rows)


if __name__ == "__main__":
    main()
