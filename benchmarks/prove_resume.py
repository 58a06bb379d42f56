"""A proof by trial that a killed run, resumed, is the run that was never interrupted, bit by bit.

One run is left alone. Then runs of the same config are killed (SIGKILL) at random moments all over their lives, while
Python starts, in training, while a checkpoint is written, in the stages after training, and gone on with as a user
would. Every one that reaches its end is compared with the first. All use the same number of threads: with another
number, sums are added in another order and their last bits differ.

    python -m benchmarks.prove_resume --kills 50
"""

import argparse
import os
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.kill_moments import KINDS, Life, Moment, TrainedWatch, wait_until
from benchmarks.report import ARTIFACTS, write_json
from benchmarks.same_run import differences, tensor_count
from benchmarks.training_process import (
    RunFailedError,
    exit_code,
    has_checkpoint,
    kill,
    last_words,
    log_path,
    none_left_behind,
    start_trainer,
)
from digitforge.machine.cores import cores_allowed
from judge.tables import text_table
from training.checkpoint import NAME as CHECKPOINT
from training.checkpoint import load_checkpoint

NAME = "prove_resume"
KILLS_OF_A_RUN = 3  # then it may come to its end, and the next run begins from nothing
USAGE = 2
HOW = (
    "SIGKILL to `python -m training` at seeded random moments, `--resume` after each, the same command again where "
    "there was no checkpoint yet. Finished runs are compared with an uninterrupted one: every tensor and number of "
    "the checkpoint, the exported weights, the metrics without timings, the sheets. `images` is what the checkpoint "
    "held when the kill hit, null before the first one."
)


@dataclass(frozen=True)
class Recipe:
    """What all runs have in common: the trainer's options, their length and their threads."""

    options: list[str]
    images: int
    threads: int


@dataclass
class KilledRun:
    """A run that is killed and gone on with.

    Attributes:
        folder: The run's.
        kills: Those that hit: the kind of moment, seconds into the process, and what the checkpoint held then.
        removed: How often the trainer would not begin again in the folder, which was then removed.
    """

    folder: Path
    kills: list[dict[str, Any]] = field(default_factory=list)
    removed: int = 0

    def go_on(self, recipe: Recipe, life: Life, moment: Moment | None = None) -> bool:
        """Start the run, or resume it, up to a moment and kill it there; without one, or past it, up to its end.

        Returns:
            Whether the kill hit.

        Raises:
            RunFailedError: The run failed by itself.
        """
        resumed = has_checkpoint(self.folder)
        begin = time.monotonic()
        process = start_trainer(self.folder, ["--resume"] if resumed else recipe.options, recipe.threads)
        with none_left_behind(process):
            if moment is None:
                process.wait()
            else:
                moment.wait(process, self.folder, recipe.images, life)
                if process.poll() is None:
                    kill(process)
                    self._record(moment.kind, time.monotonic() - begin)
                    return True
        if process.returncode == USAGE and not resumed and self.folder.exists():
            # It does not begin in a folder in which a killed run left something: a user would remove that.
            self.removed += 1
            shutil.rmtree(self.folder)
            return self.go_on(recipe, life, moment)
        if process.returncode:
            raise RunFailedError(f"{self.folder} ended with exit code {process.returncode}: {last_words(self.folder)}")
        return False

    def _record(self, kind: str, after_s: float) -> None:
        state = load_checkpoint(self.folder) if has_checkpoint(self.folder) else None
        images, finished = (state.images_seen, state.finished) if state else (None, False)
        self.kills.append({"kind": kind, "after_s": after_s, "images": images, "finished": finished})
        at = "no checkpoint yet" if images is None else f"checkpoint at {images:,} images"
        print(f"  {self.folder.name}  {kind:10}  {after_s:5.1f} s  {at}{', finished' if finished else ''}", flush=True)


def main() -> int:
    """Kill, compare, print, write. 0 if all runs are the same, else 1."""
    options = build_parser().parse_args()
    if options.folder.exists():
        shutil.rmtree(options.folder)
    recipe = Recipe(trainer_options(options), options.images, options.threads)
    reference = options.folder / "reference"
    life = uninterrupted(reference, recipe)
    print(
        f"uninterrupted: {life.total_s:.1f} s, of them {life.start_s:.1f} s to start, {life.end_s:.1f} s after "
        f"training; {options.threads} threads",
        flush=True,
    )
    runs, found = kill_and_compare(reference, recipe, life, options)
    kills = [{"run": run.folder.name, **entry} for run in runs for entry in run.kills]
    removed = sum(run.removed for run in runs)
    tensors = tensor_count(torch.load(reference / CHECKPOINT, map_location="cpu", weights_only=True))
    print(f"\n{where_they_hit(kills, recipe.images)}\n")
    if removed:
        print(f"{removed} times the trainer would not begin again in a folder without a checkpoint; it was removed")
    print("\n".join(f"DIFFERENT: {line}" for line in found[:20]))
    print(
        f"{'DIFFERENT' if found else 'the same, bit by bit'}: {len(runs)} runs, killed {len(kills)} times, "
        f"each compared in {tensors} tensors of the checkpoint, the exported weights, the metrics and the sheets"
    )
    settings = {"options": trainer_options(options)[2:], "threads": options.threads, "seed": options.seed}
    figures = {"settings": settings, "life": asdict(life), "same": not found, "runs": len(runs), "tensors": tensors}
    path = write_json(NAME, {**figures, "folders_removed": removed, "differences": found, "kills": kills}, HOW)
    print(f"written to {path}")
    if not found:
        shutil.rmtree(options.folder)
    return 1 if found else 0


def build_parser() -> argparse.ArgumentParser:
    """The options. The defaults make a run of some ten seconds that comes through all stages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove_resume", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="how many (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments, and of the runs (default: 0)")
    parser.add_argument("--threads", type=int, default=cores_allowed(), help="of every run (default: all cores)")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--dataset", default="auto")
    parser.add_argument("--images", type=int, default=30_000, help="length of a run (default: 30,000)")
    parser.add_argument("--milestone-images", type=int, default=6_000, help="between checkpoints (default: 6,000)")
    parser.add_argument("--detector-images", type=int, default=6_000, help="of the detector stage (default: 6,000)")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    parser.add_argument("--folder", type=Path, default=ARTIFACTS / NAME, help="of the runs; emptied first")
    return parser


def trainer_options(options: argparse.Namespace) -> list[str]:
    """What the trainer is started with."""
    given = {"preset": options.preset, "dataset": options.dataset, "seed": options.seed, "images": options.images}
    given |= {"milestone-images": options.milestone_images, "detector-images": options.detector_images}
    given |= {"detector-pool": 100, "log-steps": 20, "device": "cpu"}
    named = [f"--{name}={value}" for name, value in given.items()]
    return ["--data-dir", str(options.data_dir.resolve()), *named]


def uninterrupted(folder: Path, recipe: Recipe) -> Life:
    """Make the run that the others are compared with, and time its stages."""
    begin = time.monotonic()
    with none_left_behind(start_trainer(folder, recipe.options, recipe.threads)) as process:
        wait_until(process, TrainedWatch(folder, recipe.images))
        trained = time.monotonic()
        if process.wait():
            raise RunFailedError(f"the uninterrupted run failed: {last_words(folder)}")
    end = time.monotonic()
    start_s = trained - begin - load_checkpoint(folder).elapsed_s
    return Life(max(0.0, start_s), end - begin, end - trained)


def kill_and_compare(
    reference: Path, recipe: Recipe, life: Life, options: argparse.Namespace
) -> tuple[list[KilledRun], list[str]]:
    """Run after run, until all kills have hit. Returns the runs and what differed."""
    runs, found = [KilledRun(options.folder / "run-01")], list[str]()

    def complete(run: KilledRun) -> None:
        differing = differences(reference, run.folder)
        found.extend(f"{run.folder.name}: {line}" for line in differing)
        print(f"  {run.folder.name}  finished: {len(differing) or 'no'} differences", flush=True)
        if not differing:
            shutil.rmtree(run.folder)
            log_path(run.folder).unlink()
        runs.append(KilledRun(options.folder / f"run-{len(runs) + 1:02d}"))

    for number, moment in enumerate(moments(options.kills, options.seed)):
        print(f"kill {number + 1} of {options.kills}", flush=True)
        if len(runs[-1].kills) == KILLS_OF_A_RUN:
            runs[-1].go_on(recipe, life)
            complete(runs[-1])
        while not runs[-1].go_on(recipe, life, moment):
            complete(runs[-1])
            # A run can be faster than the first one was, and its end come before the moment.
            moment = Moment(moment.kind, 0.95 * moment.share, max(1, moment.checkpoint - 1))
    runs[-1].go_on(recipe, life)
    complete(runs[-1])
    return runs[:-1], found


def moments(count: int, seed: int) -> list[Moment]:
    """When to kill: each kind's moments spread evenly over its time, each by chance within its part of it."""
    rng = random.Random(seed)
    kinds = [KINDS[number % len(KINDS)] for number in range(count)]
    totals = Counter(kinds)
    shares = {kind: [(part + rng.random()) / total for part in range(total)] for kind, total in totals.items()}
    for kind in shares:
        rng.shuffle(shares[kind])
    return [Moment(kind, shares[kind].pop(), rng.randint(1, 3)) for kind in kinds]


def where_they_hit(kills: list[dict[str, Any]], length: int) -> str:
    """How many kills hit at which state of the checkpoint, by kind."""
    states = ("before the first checkpoint", "in training", "after training", "finished")

    def state(entry: dict[str, Any]) -> str:
        if entry["finished"]:
            return states[3]
        return states[0] if not entry["images"] else states[1] if entry["images"] < length else states[2]

    counts = Counter((entry["kind"], state(entry)) for entry in kills)
    kinds = list(dict.fromkeys(KINDS))
    return text_table(("kills", *states), [(kind, *(str(counts[kind, name]) for name in states)) for kind in kinds])


if __name__ == "__main__":
    sys.exit(exit_code(main))
