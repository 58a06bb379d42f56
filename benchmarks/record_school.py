"""Records how a GAN learns: three runs of the trainer, moment by moment, for the page's school.

One run is balanced. In the other two a learning rate is wrong and the governor, which would have corrected it, is off:
in one the discriminator becomes too strong, in the other the generator. What is written is small enough to be tracked:
for each run a JSON file of scores, losses and the trainer's own words, and two pictures, a row for each moment and a
column for each latent: the digits, and the push that the generator gets (128 is none, brighter is more ink).

    python -m benchmarks.record_school
    python -m benchmarks.record_school --only balanced --out /tmp/school

On one core, without haste, a run takes two minutes. The same command writes the same bytes on one machine.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.school_moments import BINS, PUSHED, SCORED, SHOWN, Recorder
from digitforge.machine.whole_file import whole_file, write_whole
from training.checkpoint import Checkpoint
from training.config import TrainingConfig
from training.data import DataSet, load_data_set
from training.gan import Gan
from training.interrupts import StopRequest
from training.loop import train
from training.metrics_file import Metrics, read_metrics
from training.options import configure, flag
from training.prepare import for_data_set
from training.run_folder import METRICS

OUT = Path("page/static/school")
COMMON = {"images": 96_000, "detector_images": 0, "measure_milestones": 0, "log_steps": 10}
UNGOVERNED = {"generator_pace": 0, "discriminator_pace": 0}
RUNS: dict[str, dict[str, Any]] = {
    "balanced": {"generator_lr": 6e-4},
    "discriminator-too-strong": {
        "generator_lr": 1.5e-3,
        "generator_lr_end": 0,
        "discriminator_lr_end": 1,
        "r1_gamma": 0,
        **UNGOVERNED,
    },
    "generator-too-strong": {"discriminator_lr": 6e-4, "discriminator_lr_end": 0, "generator_lr_end": 1, **UNGOVERNED},
}
MOMENTS = 96
GREYS = 16  # levels of a picture: more would not be seen, and take more bytes
PUSH_SHARE = 0.995  # of the pixels whose push is within the scale; the rest are cut off


def main() -> int:
    """Record the runs that are asked for."""
    options = build_parser().parse_args()
    torch.set_num_threads(1)  # sums are rounded in the same order, however many cores there are
    data = load_data_set(options.dataset, options.data_dir)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only or RUNS:
        record(name, RUNS[name], data, options.out)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record_school", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=RUNS, help="some of the runs")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where to write (default: {OUT})")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    return parser


def record(name: str, options: dict[str, Any], data: DataSet, out: Path) -> None:
    """Make a run with these options of the trainer, and write what it was like."""
    options = COMMON | options
    config = for_data_set(configure(options), data, options)
    recorder = Recorder(config, data.held_out, moments_of(config))
    metrics = run(config, data, recorder)
    moments = list(recorder.moments.values())
    save_picture(out / f"{name}-digits.png", coarse(torch.stack([moment.digits for moment in moments])))
    pushes = torch.stack([moment.push for moment in moments])
    scales = pushes.abs().flatten(1).quantile(PUSH_SHARE, dim=1)
    save_picture(out / f"{name}-push.png", push_levels(pushes, scales))
    told = {
        "command": command(options),
        "images": [moment.images_seen for moment in moments],
        "digits": {"count": SHOWN, "pushed": PUSHED},
        "scores": {
            "images": SCORED,
            "bins": BINS,
            "real": [m.real for m in moments],
            "fake": [m.fake for m in moments],
        },
        "real_mean": [rounded(moment.real_mean) for moment in moments],
        "fake_mean": [rounded(moment.fake_mean) for moment in moments],
        "d_loss": [rounded(moment.d_loss) for moment in moments],
        "g_loss": [rounded(moment.g_loss) for moment in moments],
        "push": {
            "scale": [rounded(float(scale)) for scale in scales],
            "length": [rounded(float(moment.push.norm(dim=1).mean())) for moment in moments],
        },
        "events": [{"images": event.images, "kind": event.kind, "text": event.text} for event in metrics.events],
        "governor_would_say": None if config.generator_pace else governors_words(options, data),
    }
    write_whole(out / f"{name}.json", json.dumps(told, separators=(",", ":")) + "\n")
    sizes = {path.name: path.stat().st_size for path in sorted(out.glob(f"{name}[.-]*"))}
    print(f"{name}: {len(moments)} moments, {sum(sizes.values()) / 1e6:.2f} MB; {told['events']}", flush=True)


def run(
    config: TrainingConfig, data: DataSet, watch: Callable[[Gan, int], None] = lambda _gan, _images_seen: None
) -> Metrics:
    """The trainer's run of a config, in a folder that is gone afterwards; returns what it wrote down of itself."""
    with tempfile.TemporaryDirectory() as folder:
        state = Checkpoint(config, "school", source_commit="")
        train(state, data, Path(folder), torch.device("cpu"), StopRequest(), lambda _: None, watch=watch)
        return read_metrics(Path(folder) / METRICS)


def governors_words(options: dict[str, Any], data: DataSet) -> str:
    """What the governor says of the same learning rates where it is on: it looks at the first step."""
    governed = {key: value for key, value in options.items() if key not in UNGOVERNED}
    metrics = run(for_data_set(configure(governed | {"images": 256, "log_steps": 1}), data, options), data)
    return next((event.text for event in metrics.events if event.kind == "pace"), "")


def moments_of(config: TrainingConfig) -> list[int]:
    """The steps to look after: few of the first ones are left out, and more and more of the later ones."""
    last = (config.images or 0) // config.step_size
    return sorted({0, *(round(step) for step in np.geomspace(1, last, MOMENTS))})


def command(options: dict[str, Any]) -> str:
    """How to make the same run without recording it."""
    return " ".join(["digitforge-train", *(f"--{flag(name)} {value}" for name, value in options.items())])


def push_levels(pushes: Tensor, scales: Tensor) -> Tensor:
    """float32[moments, images, 784] -> uint8[moments, images, 28, 28]: 128 for none, 1 and 255 for a scale of it."""
    shares = (pushes / scales.clamp_min(torch.finfo().tiny)[:, None, None]).clamp(-1, 1)
    half = GREYS // 2 - 1  # levels on either side of none
    return ((shares * half).round() / half * 127 + 128).to(torch.uint8).unflatten(2, (28, 28))


def coarse(digits: Tensor) -> Tensor:
    """uint8 of 256 levels -> uint8 of GREYS levels."""
    step = 255 // (GREYS - 1)
    return ((digits.float() / step).round() * step).to(torch.uint8)


def save_picture(path: Path, images: Tensor) -> None:
    """uint8[rows, columns, 28, 28] as one grey picture of GREYS levels."""
    sheet = Image.fromarray(images.permute(0, 2, 1, 3).flatten(0, 1).flatten(1).numpy())
    levels = sheet.quantize(GREYS, dither=Image.Dither.NONE)  # it has no more
    with whole_file(path) as file:
        levels.save(file, format="png", optimize=True)


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


if __name__ == "__main__":
    sys.exit(main())
