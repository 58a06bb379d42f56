"""Does a detector know fakes of a kind that its training never saw? One detector for each kind, trained without it.

The kinds are made once, as in a run's detector stage; then a detector is trained on all of them, one on all but each,
and one on all but each group of kinds: for who has seen one GAN, another one is hardly new. What is told is the AUROC
of real test digits against fakes of the kinds in question.

    python -m benchmarks.leave_one_out artifacts/runs/latest --without dcgan "any GAN"
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.report import write_json
from evaluation.quality import detector_auroc
from evaluation.threads import keep_to_allowed_cores
from judge.tables import text_table
from training.checkpoint import load_checkpoint
from training.config import TrainingConfig
from training.data import DataSet, load_data_set
from training.detector import OWN, SHARES, make_fakes, material_of, pool_of
from training.detector_calibration import logits_of
from training.detector_fit import fit
from training.fakes.kind import Kind
from training.fakes.recipes import AUTOENCODERS, DIFFUSIONS, GANS
from training.networks import Generator, build_generator
from training.pool import Pool

NAME = "leave_one_out"
SEED = 20_261_124
GROUPS = {"any GAN": tuple(GANS), "any denoiser": tuple(DIFFUSIONS), "any autoencoder": tuple(AUTOENCODERS)}
LEFT_OUT = {name: (name,) for name in SHARES if name != OWN} | GROUPS
HOW = (
    "AUROC of the data set's test images against as many fakes of a kind: of a detector trained without it (and "
    "without the others of its group, where that is named), and of one trained on all. Same generator, seed and length."
)


def main() -> int:
    """Train, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leave_one_out", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--images", type=int, default=110_000, help="real images that each detector sees")
    parser.add_argument("--channels", type=int, default=8, help="channels of the detector's first convolution")
    parser.add_argument(
        "--without",
        nargs="+",
        choices=LEFT_OUT,
        default=list(LEFT_OUT),
        metavar="KIND",
        help=f"what is left out, one after the other, of {', '.join(LEFT_OUT)} (default: all)",
    )
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    options = parser.parse_args()
    keep_to_allowed_cores()
    torch.set_flush_denormal(True)
    run = load_checkpoint(options.run)
    if run.generator is None:
        print(f"{options.run} is not finished", file=sys.stderr)
        return 1
    config = run.config.with_options({"detector_images": options.images, "detector_channels": options.channels})
    data = load_data_set(run.dataset, options.data_dir)
    own = generator_of(config, run.generator)
    snapshots = [generator_of(config, snapshot["generator"]) for snapshot in run.snapshots]
    kinds, no_digits = make_fakes(config, own, snapshots, data, lambda: None)
    pool = pool_of(config, kinds, no_digits, data, lambda: None)
    score = partial(aurocs, config, kinds, pool, data)
    seen = score(frozenset())
    figures = {}
    for left_out in options.without:
        unseen = [name for name in LEFT_OUT[left_out] if name in kinds]
        if unseen:
            found = score(frozenset(unseen))
            figures[left_out] = {name: {"left_out": found[name], "seen": seen[name]} for name in unseen}
    rows = [
        (left_out, name, f"{each['left_out']:.4f}", f"{each['seen']:.4f}")
        for left_out, members in figures.items()
        for name, each in members.items()
    ]
    print(text_table(("without", "AUROC against", "never seen", "seen"), [*rows, ("", OWN, "", f"{seen[OWN]:.4f}")]))
    content = {"run_id": run.run_id, "images": options.images, "channels": options.channels, "figures": figures}
    print(f"written to {write_json(NAME, content | {'own_generator': seen[OWN]}, HOW)}")
    return 0


def generator_of(config: TrainingConfig, weights: dict[str, Tensor]) -> Generator:
    """The generator of a run with these weights."""
    generator = build_generator(config)
    generator.load_state_dict(weights)
    return generator.eval()


def aurocs(
    config: TrainingConfig, kinds: dict[str, Kind], pool: Pool, data: DataSet, left_out: frozenset[str]
) -> dict[str, float]:
    """Train a detector without some kinds, and measure it against every one."""
    some = {name: kind for name, kind in kinds.items() if name not in left_out}
    material = material_of(config, some, pool, data)
    detector = fit(config, material, torch.device("cpu"), lambda: None)
    real = logits_of(detector, config, data.test.images)
    rng = torch.Generator().manual_seed(SEED)
    return {
        name: detector_auroc(real, logits_of(detector, config, kind.images(len(real), rng)))
        for name, kind in kinds.items()
    }


if __name__ == "__main__":
    sys.exit(main())
