"""Train the models of other makers whose fakes a detector learns from: `python -m training.fakes.train`, `make fakes`.

Each is a file of its own; those that are there already are passed over, so that a stopped run goes on.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import torch

from evaluation.threads import keep_to_allowed_cores
from training.data import load_data_set
from training.fakes.recipes import RECIPES
from training.fakes.small_weights import save_small
from training.progress import progress

DATA_SET = "mnist"


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m training.fakes.train", description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    parser.add_argument("--out", type=Path, default=Path("artifacts/fakes"), help="folder of the files")
    parser.add_argument("--only", nargs="+", choices=RECIPES, metavar="NAME", help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--images", type=int, help="real images that each sees (default: the recipe's)")
    return parser


def main() -> None:
    """Train what is not there yet, a file each."""
    options = build_parser().parse_args()
    keep_to_allowed_cores()
    torch.set_flush_denormal(True)
    data = load_data_set(DATA_SET, options.data_dir)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only or RECIPES:
        path = options.out / f"{name}.safetensors"
        if path.exists():
            continue
        family, recipe = RECIPES[name]
        recipe = dataclasses.replace(recipe, images=options.images or recipe.images)
        start = time.monotonic()
        with progress(recipe.images, name, "img") as bar:

            def tick(seen: int, bar: Any = bar) -> None:
                bar.update(seen - bar.n)

            snapshots = recipe.train(data.fit, tick)
        about = {"family": family, "name": name, "dataset": DATA_SET, "recipe": json.dumps(dataclasses.asdict(recipe))}
        save_small(path, snapshots, about)
        print(f"{name}: {time.monotonic() - start:.0f} s, {path.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
