"""What a run begins with: its folder, its state, new or as it was left, and its data set."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from digitforge.machine.whole_file import NotWrittenError, naming
from training.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from training.config import TrainingConfig
from training.data import DataSet, load_data_set
from training.options import RUNS, UsageError, configure, flag
from training.processes import processes_for
from training.provenance import new_run_id, source_commit
from training.run_folder import LATEST, new_run_folder
from training.workers import Workers


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
