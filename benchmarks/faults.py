"""What a training run makes of a wrong setting: a learning rate off by ten, a batch far too small or too large.

Every fault is set on the command line, as somebody would get it wrong, in short runs of every preset with several
seeds. What counts is the Fréchet distance at the end on the test set, against the same preset undisturbed. Finished
runs are kept in `artifacts/benchmarks/faults/results.jsonl`: interrupted, the bench goes on where it was.

    python -m benchmarks.faults
    python -m benchmarks.faults --only default:d_lr_x10 --images 300000
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.fault_results import GOAL, draw, events_table, faults_table, summarise
from benchmarks.report import ARTIFACTS, write_json
from benchmarks.training_process import (
    NEVER,
    ROOT,
    RunFailedError,
    exit_code,
    has_checkpoint,
    last_words,
    log_path,
    read_metrics,
    start_trainer,
    stop,
)
from digitforge.machine.cores import cores_allowed
from judge.tables import markdown_table, text_table
from training.config import PRESETS, TrainingConfig

NAME = "faults"
FOLDER = ARTIFACTS / NAME
RESULTS = FOLDER / "results.jsonl"
# What the trainer says when it stops because of numbers that are none any more. Any other failure ends the bench.
DIVERGED = re.compile(r"finite|losses are|diverge", re.IGNORECASE)
HOW = (
    "`python -m training` with the fault as options, the detector stage off, milestones beyond the end; `distance` is "
    "the Fréchet distance on the test set at the end, `ratio` the same in multiples of the floor's. A diverged run "
    "has neither and counts as infinitely far."
)

COMPARED = ("default", "article")
FAULTS: dict[str, Callable[[TrainingConfig], dict[str, float]]] = {
    "none": lambda _: {},
    "d_lr_x10": lambda preset: {"discriminator-lr": 10 * preset.discriminator_lr},
    "d_lr_x0.1": lambda preset: {"discriminator-lr": 0.1 * preset.discriminator_lr},
    "g_lr_x10": lambda preset: {"generator-lr": 10 * preset.generator_lr},
    "g_lr_x0.1": lambda preset: {"generator-lr": 0.1 * preset.generator_lr},
    "batch_16": lambda _: {"batch-size": 16},
    "batch_1024": lambda _: {"batch-size": 1024},
}


@dataclass(frozen=True)
class Trial:
    """A run to make: a preset with a fault and a seed."""

    preset: str
    fault: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.preset}-{self.fault}-seed{self.seed}"

    def options(self) -> list[str]:
        """The trainer's options for the fault, from the preset's own values."""
        given = FAULTS[self.fault](PRESETS[self.preset])
        return [f"--preset={self.preset}", f"--seed={self.seed}", *(f"--{key}={val:g}" for key, val in given.items())]


@dataclass
class Job:
    """A trial that is running, on a core of its own or on all."""

    trial: Trial
    folder: Path
    process: subprocess.Popen[bytes]
    core: int | None


def main() -> int:
    """Run what is missing, print, write. Interrupted, the same command goes on where it was."""
    options = build_parser().parse_args()
    settings = settings_of(options)
    trials = [
        Trial(preset, fault, seed)
        for seed in range(options.seeds)  # whole tables first: a bench that was interrupted shows something of all
        for fault in FAULTS
        for preset in COMPARED
        if not options.only or {preset, f":{fault}", f"{preset}:{fault}"} & set(options.only)
    ]
    results = {trial: result for trial in trials if (result := finished(trial, settings)) is not None}
    missing = [trial for trial in trials if trial not in results]
    print(f"{len(trials)} runs, {len(results)} of them there already", flush=True)
    run_all(missing, results, settings, options)
    report(list(results.values()), settings)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=1.0, help="of training in a run (default: 1)")
    length.add_argument("--images", type=int, help="instead: the length in images, which repeats exactly")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each fault and preset (default: 3)")
    parser.add_argument("--only", nargs="+", metavar="PRESET:FAULT", help="some of them: default, :batch_16, or both")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, a core for each if there are several")
    parser.add_argument("--threads", type=int, help="of every run (default: the cores, shared among the jobs)")
    parser.add_argument("--dataset", default="auto")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    return parser


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """What a result depends on beside its trial: only results of equal settings are taken as there already."""
    sources = sorted(path for room in ("training", "evaluation") for path in (ROOT / room).glob("*.py"))
    return {
        "length": {"images": options.images} if options.images else {"minutes": options.minutes},
        "threads": options.threads or max(1, cores_allowed() // options.jobs),
        "dataset": options.dataset,
        "device": options.device,
        "source": sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12],
    }


def finished(trial: Trial, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The trial's result, if it was run before with these settings."""
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else ():
        result: dict[str, Any] = json.loads(line)
        if result["settings"] == settings and result["options"] == trial.options():
            return result
    return None


def run_all(
    trials: list[Trial], results: dict[Trial, dict[str, Any]], settings: dict[str, Any], options: argparse.Namespace
) -> None:
    """Run the trials, so many at a time, and note each result as soon as it is there.

    Raises:
        RunFailedError: A run failed for another reason than its fault.
        KeyboardInterrupt: By Ctrl-C or SIGTERM; the runs inside save themselves first.
    """
    waiting, running = deque(trials), list[Job]()
    total, begin, done = len(trials) + len(results), time.monotonic(), 0
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    free: list[int | None] = [
        cores[job % len(cores)] if cores and options.jobs > 1 else None for job in range(options.jobs)
    ]
    try:
        while waiting or running:
            while waiting and free:
                running.append(start(waiting.popleft(), free.pop(0), settings, options))
            time.sleep(0.2)
            for job in [job for job in running if job.process.poll() is not None]:
                running.remove(job)
                free.append(job.core)
                results[job.trial] = result = note_result(job, settings)
                done += 1
                left_s = (time.monotonic() - begin) / done * (len(trials) - done)
                figure = "diverged" if result["diverged"] else f"{result['ratio']:.1f} times the floor"
                print(
                    f"{len(results):3} of {total}  {job.trial.name:32}  {figure}, {left_s / 60:.0f} min left",
                    flush=True,
                )
    finally:
        for job in running:
            job.process.terminate()
        for job in running:
            stop(job.process)


def start(trial: Trial, core: int | None, settings: dict[str, Any], options: argparse.Namespace) -> Job:
    """Start a trial, or go on with it where an interrupted bench left its checkpoint."""
    key = sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    folder = FOLDER / key / trial.name
    if has_checkpoint(folder):
        arguments = ["--resume", f"--device={options.device}"]
    else:
        if folder.exists():
            shutil.rmtree(folder)
        ((unit, length),) = settings["length"].items()
        arguments = [*trial.options(), f"--{unit}={length}", f"--milestone-images={NEVER}", "--detector-images=0"]
        arguments += ["--measure-fully=false"]
        arguments += [f"--device={options.device}", f"--dataset={options.dataset}"]
    arguments.append(f"--data-dir={options.data_dir.resolve()}")
    process = start_trainer(folder, arguments, settings["threads"])
    if core is not None:
        os.sched_setaffinity(process.pid, {core})  # before it has threads, which inherit it
    return Job(trial, folder, process, core)


def note_result(job: Job, settings: dict[str, Any]) -> dict[str, Any]:
    """Add the result of a run that has ended to the file of results, and remove what is large of it.

    Raises:
        RunFailedError: It failed for another reason than its fault.
    """
    message, code = last_words(job.folder), job.process.returncode
    metrics = read_metrics(job.folder)
    figures = {key: value for line in metrics for key, value in line.items() if key.startswith("test/")}
    diverged = code != 0 and DIVERGED.search(message) is not None
    if not diverged and (code or "test/frechet_ratio" not in figures):
        raise RunFailedError(f"{job.trial.name} ended with exit code {code}: {message}; see {log_path(job.folder)}")
    result = {
        **asdict(job.trial),
        "distance": None if diverged else figures["test/frechet_distance"],
        "ratio": None if diverged else figures["test/frechet_ratio"],
        "diverged": diverged,
        "exit_code": code,
        "message": message,
        "images": max((line["images"] for line in metrics if "images" in line), default=0),
        "events": [line for line in metrics if "event" in line],
        "test": figures,
        "options": job.trial.options(),
        "settings": settings,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(result) + "\n")
    for path in (*job.folder.glob("*.pt"), *job.folder.glob("*.pth")):
        path.unlink()
    return result


def report(results: list[dict[str, Any]], settings: dict[str, Any]) -> None:
    """Print the table; write it as JSON, as Markdown and as a plot."""
    summary = summarise(results)
    header, rows = faults_table(summary, list(FAULTS), list(COMPARED))
    print(f"\n{text_table(header, rows)}\n")
    print(
        "The median over the seeds of the Fréchet distance on the test set, by the undisturbed median of the same "
        f"preset\n(the default's goal: {GOAL:g} at most); in brackets the least and the most; by the floor's distance."
    )
    print(f"\n{text_table(*events_table(results))}")
    path = write_json(NAME, {"settings": settings, "goal": GOAL, "summary": summary, "results": results}, HOW)
    markdown = path.with_suffix(".md")
    markdown.write_text(markdown_table(header, rows) + "\n" + markdown_table(*events_table(results)))
    plot = path.with_suffix(".png")
    draw(results, summary, list(FAULTS), plot)
    print(f"\nwritten to {path}, {markdown} and {plot}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
