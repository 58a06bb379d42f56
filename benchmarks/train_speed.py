"""How much faster than the tutorial's script our presets train, and how far from what the machine can do they are.

The script and the presets take turns, each segment in a process of its own, several rounds: what else the machine does
meanwhile, and how its clock wanders, meets them all alike. Start-up does not count. Work is counted from the networks
themselves, over real steps. A preset trains twice, as it is, in bfloat16 where the hardware has it, and in float32:
that is held against the step's own matrix products, each timed alone at its shape, and the fastest large one.

    python -m benchmarks.train_speed
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from benchmarks import article_script
from benchmarks.report import write_json
from benchmarks.training_process import (
    INTERRUPTED,
    NEVER,
    RunFailedError,
    environment,
    exit_code,
    last_words,
    none_left_behind,
    read_metrics,
    start_trainer,
    stop,
)
from digitforge.machine.cores import cores_allowed
from judge.tables import text_table
from training.checkpoint import load_checkpoint
from training.config import PRESETS, TrainingConfig
from training.gan import Gan

NAME = "train_speed"
SCRIPT = "script"
FLOAT32 = ", float32"  # behind a preset's name
ELAPSED = "elapsed_s"
START_PATIENCE_S = 300.0
SHARES = ("own_products", "float32_peak")
RECIPE_IMAGES = 1_000 * 60_000  # the tutorial's 1,000 epochs of all training images
HOW = (
    "Segments in turns, a process each. The script times its steps after a warm-up. A preset is run by "
    "`python -m training` with milestones beyond its end, stopped as by Ctrl-C, and its images and seconds read from "
    "its metrics where these tell the time, which leaves the warm-up out, else from its checkpoint. FLOP: torch's "
    "FlopCounterMode over real steps (matrix products, a multiply-add being 2). Peak: the fastest float32 product of "
    "large square matrices in any round. share_of_own_products: of the speed at which the step's own products run when "
    "each is timed alone at its shape, in float32, in the same round (on a CPU)."
)


def main() -> int:
    """Measure, print, write."""
    options = build_parser().parse_args()
    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    of_presets = {name: preset_flops(config) for name, config in PRESETS.items()}
    flops = {SCRIPT: script_flops(), **of_presets, **{name + FLOAT32: value for name, value in of_presets.items()}}
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            figures: dict[str, Any] = {"peak": run_module("benchmarks.gemm_peak", options, ["--seconds", "1"])}
            figures[SCRIPT] = run_module("benchmarks.article_script", options, script_length(options))
            for name in PRESETS:
                out = Path(folder) / f"{name}-{number}"
                figures[name] = run_preset(name, out, options)
                figures[name + FLOAT32] = run_preset(name, out.with_name(f"{out.name}-float32"), options, FLOAT32)
                if options.device == "cpu":
                    alone = run_module("benchmarks.step_products", options, ["--preset", name])
                    figures[name + FLOAT32]["products_s"] = alone["seconds_per_image"]
            rounds.append(figures)
            rates = "  ".join(f"{name} {figures[name]['images_per_s']:,.0f}" for name in flops)
            print(f"round {number + 1} of {options.rounds}, images/s: {rates}", flush=True)
    summary = summarise(rounds, flops)
    print(show(summary, options))
    settings = {name: getattr(options, name) for name in ("device", "threads", "rounds", "seconds")}
    path = write_json(NAME, {"settings": settings, **summary, "rounds": rounds}, HOW)
    print(f"written to {path}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_speed", description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"), help="with MNIST")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda ... (default: auto)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each takes its turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of training in a segment (default: 10)")
    parser.add_argument("--threads", type=int, default=cores_allowed(), help="for each (default: all cores)")
    return parser


def script_length(options: argparse.Namespace) -> list[str]:
    """The script's options for one segment."""
    return ["--seconds", str(options.seconds), "--data-dir", str(options.data_dir)]


def run_module(module: str, options: argparse.Namespace, arguments: list[str]) -> dict[str, Any]:
    """Run a module of this folder in a process of its own; its last line is its figures."""
    result = subprocess.run(
        [sys.executable, "-m", module, "--device", options.device, *arguments],
        env=environment(options.threads),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return figures


def run_preset(name: str, folder: Path, options: argparse.Namespace, kind: str = "") -> dict[str, Any]:
    """Train a preset for a segment's length, as it is or in float32, and tell its speed.

    Raises:
        RunFailedError: The trainer failed.
    """
    arguments = ["--preset", name, "--data-dir", str(options.data_dir.resolve()), "--device", options.device]
    arguments += ["--dataset", "mnist", "--images", str(NEVER), "--milestone-images", str(NEVER)]
    arguments += ["--bfloat16", "false"] if kind == FLOAT32 else []
    with none_left_behind(start_trainer(folder, arguments, options.threads)) as process:
        deadline = time.monotonic() + START_PATIENCE_S
        while not read_metrics(folder):  # the first reading of the losses: it trains, and can be stopped
            if process.poll() is not None or time.monotonic() > deadline:
                raise RunFailedError(f"preset {name} does not train: {last_words(folder)}")
            time.sleep(0.05)
        time.sleep(options.seconds)
        if (code := stop(process)) != INTERRUPTED:
            raise RunFailedError(f"preset {name} ended with exit code {code}: {last_words(folder)}")
    return steady_speed(folder)


def steady_speed(folder: Path) -> dict[str, Any]:
    """Images and seconds between the first and the last timed line of the metrics, else of the whole run."""
    timed = [line for line in read_metrics(folder) if ELAPSED in line and "event" not in line]
    if len(timed) >= 2:
        images = timed[-1]["images"] - timed[0]["images"]
        seconds = timed[-1][ELAPSED] - timed[0][ELAPSED]
        source = "metrics"
    else:
        run = load_checkpoint(folder)
        images, seconds, source = run.images_seen, run.elapsed_s, "checkpoint"
    return {"images": images, "seconds": seconds, "images_per_s": images / seconds, "read_from": source}


class NoModules(ModuleTracker):
    """Tracks nothing."""

    def __enter__(self) -> "NoModules":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class StepFlops(FlopCounterMode):
    """torch's counter without a figure for each module: `torch.autograd.grad`, as R1 needs it, bars those hooks."""

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker = NoModules()


def script_flops() -> float:
    """FLOP of the script for a real image: a step's by its batch."""
    generator, discriminator = article_script.Generator(), article_script.Discriminator()
    optimizer_g, optimizer_d = (torch.optim.Adam(network.parameters()) for network in (generator, discriminator))
    batch = article_script.BATCH_SIZE
    with StepFlops() as counter:
        article_script.train_step(
            generator,
            discriminator,
            optimizer_g,
            optimizer_d,
            torch.rand(batch, 784),
            torch.randn(batch, article_script.LATENT_SIZE),
            torch.randn(batch, article_script.LATENT_SIZE),
        )
    return counter.get_total_flops() / batch


def preset_flops(config: TrainingConfig) -> float:
    """FLOP of a preset for a real image, over as many steps as a penalty's interval has."""
    gan = Gan(config, torch.device("cpu"))
    steps = config.r1_interval if config.r1_gamma else 1
    batch = config.batch_size
    images = torch.zeros(batch, 28, 28, dtype=torch.uint8)
    digits = torch.arange(batch) % 10
    with StepFlops() as counter:
        for _ in range(steps):
            latents, fresh_latents = torch.randn(2, batch, config.latent_size)
            gan.step(images, digits, latents, fresh_latents if config.fresh_latents else None)
    return counter.get_total_flops() / (steps * batch)


def is_float32(name: str) -> bool:
    """Whether a contender computes in it."""
    return name == SCRIPT or name.endswith(FLOAT32)


def summarise(rounds: list[dict[str, Any]], flops: dict[str, float]) -> dict[str, Any]:
    """The rounds' figures of each contender, with the ratios of each round to the script of the same round."""
    peak = max(figures["peak"]["float32"] for figures in rounds)
    bfloat16 = [figures["peak"]["bfloat16"] for figures in rounds if figures["peak"]["bfloat16"]]
    script_rate = statistics.median(figures[SCRIPT]["images_per_s"] for figures in rounds)
    contenders = {}
    for name, flops_per_image in flops.items():
        rates = [figures[name]["images_per_s"] for figures in rounds]
        ratios = [figures[name]["images_per_s"] / figures[SCRIPT]["images_per_s"] for figures in rounds]
        median = statistics.median(rates)
        alone = [figures[name]["images_per_s"] * figures[name].get("products_s", 0.0) for figures in rounds]
        contenders[name] = {
            "images_per_s": {"median": median, "min": min(rates), "max": max(rates)},
            "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
            "flop_per_image": flops_per_image,
            "share_of_own_products": statistics.median(alone) or None,
            "share_of_float32_peak": flops_per_image * median / peak if is_float32(name) else None,
            "ratio_at_float32_peak": peak / flops_per_image / script_rate,
            "recipe_hours": RECIPE_IMAGES / median / 3600,
        }
    return {
        "peak_flops": {"float32": peak, "bfloat16": max(bfloat16, default=None)},
        "contenders": contenders,
    }


def show(summary: dict[str, Any], options: argparse.Namespace) -> str:
    """The table, and what its columns say."""
    peak = summary["peak_flops"]
    header = (
        "",
        "images/s",
        "min",
        "max",
        "ratio",
        "ratio at peak",
        "MFLOP/image",
        "of own products",
        "of peak",
        "1,000 epochs",
    )
    rows = []
    for name, figures in summary["contenders"].items():
        rate = figures["images_per_s"]
        rows.append(
            (
                "the tutorial's script" if name == SCRIPT else f"preset {name}",
                *(f"{rate[key]:,.0f}" for key in ("median", "min", "max")),
                f"{figures['ratio']['median']:.2f}",
                f"{figures['ratio_at_float32_peak']:.2f}",
                f"{figures['flop_per_image'] / 1e6:.1f}",
                *(f"{share:.0%}" if (share := figures[f"share_of_{what}"]) else "" for what in SHARES),
                f"{figures['recipe_hours']:.2f} h",
            )
        )
    bfloat16 = f"{peak['bfloat16'] / 1e9:,.0f} in bfloat16" if peak["bfloat16"] else "bfloat16 does not work"
    return (
        f"\n{text_table(header, rows)}\n\n"
        f"{options.device}, {options.threads} threads, {options.rounds} rounds of {options.seconds:g} s. "
        f"Peak of large matrix products: {peak['float32'] / 1e9:,.0f} GFLOP/s in float32; {bfloat16}.\n"
        "ratio: to the script, the median over the rounds; at peak: what it would be if a step's matrix products "
        "ran at\nthe float32 peak and nothing else took any time. Of own products: of what these come to alone, at "
        "their shapes.\nA preset is in bfloat16 where the hardware has it. 1,000 epochs of 60,000 images, at the "
        "median speed."
    )


if __name__ == "__main__":
    sys.exit(exit_code(main))
