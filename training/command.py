"""The trainer's command: a run from its start, or from where it was left, to its end or a stop."""

import argparse
import shlex
import sys
from typing import Any

import torch
from tqdm import tqdm

from digitforge.machine.whole_file import NotWrittenError
from evaluation.threads import keep_to_allowed_cores, torch_threads
from training.checkpoint import CheckpointError
from training.config import TrainingConfig
from training.data import DataUnavailableError
from training.data_sets.errors import DataFileError
from training.estimate import calibrate, estimate
from training.figures import write_duration
from training.finish import finish
from training.gan import DivergedError
from training.interrupts import StopRequest, stop_request
from training.loop import train
from training.next_step import make
from training.options import RUNS, UsageError, build_parser, pick_device
from training.prepare import prepare
from training.processes import WorkerLostError, workers_here
from training.report import REPORT
from training.run_folder import point_latest_to
from training.workers import Workers, join_workers

FAILED, USAGE, INTERRUPTED = 1, 2, 130
FAILURES = (
    CheckpointError,
    DataFileError,
    DataUnavailableError,
    DivergedError,
    OSError,
    torch.OutOfMemoryError,
    WorkerLostError,
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 wrong options, 130 interrupted and saved."""
    options = build_parser().parse_args(arguments)
    keep_to_allowed_cores()
    overrides = {name: getattr(options, name) for name in TrainingConfig.model_fields if hasattr(options, name)}
    try:
        return run(options, overrides)
    except UsageError as error:
        print(f"digitforge-train: {error}", file=sys.stderr)
        return USAGE
    except FAILURES as error:
        print(f"digitforge-train: {error}", file=sys.stderr)
        return FAILED


def run(options: argparse.Namespace, overrides: dict[str, Any]) -> int:
    """Start a run or go on with one, up to its end or a stop."""
    device = pick_device(options.device)
    with join_workers(device) as workers:
        tell = say if workers.first else lambda _: None
        path, state, data = prepare(options, overrides, workers, device, tell)
        if state.finished:
            tell(f"{path} is finished")
            return 0
        where = ["--data-dir", str(options.data_dir)] if options.data_dir else []
        arguments = shlex.join(["--resume", "--out", str(path), *where])
        again = f"{make('train', TRAIN_ARGS=arguments)} (or digitforge-train {arguments})"
        processes = 1 if workers.count > 1 else state.config.processes
        together = f", {max(workers.count, processes)} processes" if max(workers.count, processes) > 1 else ""
        what = f"preset {state.config.preset}, data set {state.dataset}"
        tell(f"run {state.run_id} in {path}: {what}, on {device}{together}")
        if workers.first and not options.not_latest:
            try:
                point_latest_to(path, RUNS)
            except NotWrittenError as error:  # a run that lies elsewhere can do without
                tell(f"{error}; name the run with --out {path} where you go on with it")
        expected = estimate(
            state.config, len(data.fit), state.images_seen, state.elapsed_s, *calibrate(state.config, device)
        )
        rest = f", of which {write_duration(expected.after_training)} after the GAN's training"
        tell(f"here it takes about {write_duration(expected.total)}{rest}")

        def fellow(own: Workers) -> None:
            train(state, data, path, device, StopRequest(), lambda _: None, own)

        with stop_request() as stop:
            try:
                with workers_here(processes, fellow) as own:
                    gan = train(state, data, path, device, stop, tell, own if processes > 1 else workers, expected)
                if workers.first and gan is not None:
                    with torch_threads(processes if processes > 1 else torch.get_num_threads()):
                        finish(state, gan, data, path, stop, tell)
            except NotWrittenError as error:
                raise NotWrittenError(
                    f"{error}. Once it can be, go on from the last checkpoint with: {again}"
                ) from error
            except WorkerLostError as error:
                raise WorkerLostError(f"{error}. Go on from the last checkpoint with: {again}") from error
    if not workers.first:
        return 0
    if not state.finished:
        say(f"interrupted after {state.images_seen:,} images; go on with: {again}")
        return INTERRUPTED
    say(f"finished: {path}, the GAN trained in {write_duration(state.elapsed_s)}; look at {path / REPORT}")
    say(f"export it with: {make('export', RUN=str(path))} (or {shlex.join(['digitforge-export', str(path)])})")
    return 0


def say(line: str) -> None:
    """Print a line above the progress bar."""
    tqdm.write(line)
    sys.stdout.flush()
