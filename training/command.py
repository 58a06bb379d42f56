"""The trainer's command line."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import torch
from pydantic import ValidationError
from tqdm import tqdm

from digitforge.machine.whole_file import NotWrittenError, naming
from evaluation.threads import keep_to_allowed_cores, torch_threads
from training.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from training.config import PRESETS, TrainingConfig
from training.data import DEFAULT_FOLDER, NAMES, DataSet, DataUnavailableError, load_data_set
from training.data_sets.errors import DataFileError
from training.estimate import calibrate, estimate
from training.figures import write_duration
from training.finish import finish
from training.gan import DivergedError
from training.interrupts import StopRequest, stop_request
from training.loop import train
from training.next_step import make
from training.processes import WorkerLostError, processes_for, workers_here
from training.provenance import new_run_id, source_commit
from training.report import REPORT
from training.run_folder import LATEST, new_run_folder, point_latest_to
from training.workers import Workers, join_workers

RUNS = Path("artifacts/runs")
DEFAULT_PRESET = "default"
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


class UsageError(Exception):
    """Options that do not go together, or a value out of bounds."""


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


def prepare(
    options: argparse.Namespace,
    overrides: dict[str, Any],
    workers: Workers,
    device: torch.device,
    tell: Callable[[str], None],
) -> tuple[Path, Checkpoint, DataSet]:
    """The run's folder, its state, new or as it was left, and its data set."""
    if options.resume:
        path = real_name(options.out or RUNS / LATEST)
        if overrides:
            raise UsageError(f"--resume goes on with the run's own config: leave out --{flag(next(iter(overrides)))}")
        state = load_checkpoint(path)
        if not state.finished and (commit := source_commit()) not in state.source_commit.split(", "):
            state.source_commit += f", {commit}"  # the rest of the run is made by another source
        if not state.finished and state.torch_version not in ("", torch.__version__):
            tell(
                f"the run so far was made by torch {state.torch_version}, this is {torch.__version__}: it goes on, but "
                f"not to the same bits; for these: pip install torch=={state.torch_version.partition('+')[0]}"
            )
        data = load_data_set(state.dataset, options.data_dir, tell, state.config.as_is)
        if state.data_fingerprint not in ("", data.fingerprint()) and not state.finished:
            raise CheckpointError(
                f"the data set {data.name} is not what {path} began with: files were added, changed or removed; put "
                "back what was there, or begin another run"
            )
        state.config = with_processes(state.config, device, workers)
        return path, state, data
    config = configure(overrides)
    if workers.first and options.out and options.out.exists() and any(options.out.iterdir()):
        raise UsageError(f"--out {options.out} is not empty: go on with it by --resume, or name another folder")
    data = load_data_set(config.dataset, options.data_dir, tell, config.as_is)
    config = with_processes(for_data_set(config, data, overrides), device, workers)
    state = Checkpoint(
        config, new_run_id(config.preset, data.name), source_commit(), data_fingerprint=data.fingerprint()
    )
    name = f"{config.preset}-{data.name}"
    if not workers.first:
        return options.out or RUNS / name, state, data  # it does not write there
    try:
        path = options.out or new_run_folder(RUNS, name)
    except NotWrittenError as error:
        raise NotWrittenError(f"{error}; name another place with --out") from error
    with naming(path):
        path.mkdir(parents=True, exist_ok=True)
    save_checkpoint(state, path)  # from here on, whatever happens, it can be resumed
    return path, state, data


def for_data_set(config: TrainingConfig, data: DataSet, overrides: dict[str, Any]) -> TrainingConfig:
    """A config with what is known once its data set is there: what `auto` turned out to be, and the classes.

    Raises:
        UsageError: Other classes were asked for than there are.
    """
    found: dict[str, Any] = {"dataset": data.name}
    if "class_names" not in overrides:
        found["class_names"] = data.class_names
    elif len(config.class_names) != len(data.class_names):
        raise UsageError(
            f"--class-names gives {len(config.class_names)} names, and {data.name} has {len(data.class_names)} classes"
        )
    if not data.class_names and config.class_conditional:
        if "class_conditional" in overrides:
            raise UsageError(f"--class-conditional: {data.name} has no classes")
        found["class_conditional"] = False
    return config.with_options(found)


def with_processes(config: TrainingConfig, device: torch.device, workers: Workers) -> TrainingConfig:
    """A config with the number of processes that the run keeps. Under torchrun, which starts its own, one.

    Raises:
        UsageError: So many cannot compute here.
    """
    processes = config.processes or (1 if workers.count > 1 else processes_for(config, device))
    if processes > 1 and (device.type != "cpu" or torch.accelerator.is_available()):
        raise UsageError(
            f"--processes {processes}: they compute on a CPU, without a GPU in sight (CUDA_VISIBLE_DEVICES= hides it); "
            "several GPUs compute together under torchrun"
        )
    return config.with_options({"processes": processes})


def real_name(path: Path) -> Path:
    """The run's own folder in the place of a link such as `latest`, which is another one's tomorrow."""
    return Path(os.path.relpath(path.resolve())) if path.is_symlink() else path


def configure(overrides: dict[str, Any]) -> TrainingConfig:
    """A preset with options in the place of its other fields.

    Raises:
        UsageError: A value is out of bounds; the message names the option, the value and the limit.
    """
    try:
        return PRESETS[overrides.get("preset", DEFAULT_PRESET)].with_options(overrides)
    except ValidationError as error:
        raise UsageError("; ".join(explain(problem) for problem in error.errors())) from error


def explain(problem: Any) -> str:
    """One of pydantic's findings in a line."""
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return f"--{flag(str(problem['loc'][0]))} {problem['input']}: {reason}"


def pick_device(name: str) -> torch.device:
    """`auto` is a CUDA GPU, under torchrun each worker's own, else the CPU."""
    if name == "auto":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: {str(error).splitlines()[0]}") from error


def build_parser() -> argparse.ArgumentParser:
    """The options: where to run, and every field of the config."""
    parser = argparse.ArgumentParser(prog="digitforge-train", description="Train a GAN on handwritten digits.")
    parser.add_argument(
        "--preset", choices=PRESETS, default=argparse.SUPPRESS, help=f"the recipe (default: {DEFAULT_PRESET})"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("DATA_DIR") or None,
        help="folder of the data sets, or the pictures, IDX files or CSV file themselves "
        f"(default: $DATA_DIR, else {DEFAULT_FOLDER})",
    )
    parser.add_argument("--out", type=Path, help=f"the run's folder (default: a new one in {RUNS})")
    parser.add_argument(
        "--not-latest", action="store_true", help=f"leave the link to the latest run in {RUNS} as it is"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out (default: the latest)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: auto)")
    fields = parser.add_argument_group("the config: each takes the place of the preset's value")
    for name, field in TrainingConfig.model_fields.items():
        if name == "preset":
            continue
        kind: dict[str, Any] = {"choices": NAMES} if name == "dataset" else {"metavar": metavar(field.annotation)}
        if field.annotation is bool:
            kind |= {"nargs": "?", "const": "true"}
        fields.add_argument(f"--{flag(name)}", dest=name, default=argparse.SUPPRESS, help=field.description, **kind)
    return parser


def flag(name: str) -> str:
    """A field's option, without the dashes."""
    return name.replace("_", "-")


def metavar(annotation: Any) -> str:
    """What an option takes, for the help text."""
    if get_origin(annotation) is tuple:
        return "NAME,NAME,..." if get_args(annotation)[0] is str else "INT,INT,..."
    return "|".join(kind.__name__.upper() for kind in get_args(annotation) or (annotation,) if kind is not NoneType)


def say(line: str) -> None:
    """Print a line above the progress bar."""
    tqdm.write(line)
    sys.stdout.flush()
