"""A run's checkpoint: one file that holds everything needed to go on, or to export. It is written atomically.

The trainer writes it; the exporter reads it through `load_checkpoint`.
"""

import pickletools
import zipfile
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from digitforge.machine.whole_file import whole_file
from training.config import TrainingConfig

FORMAT = 6
NAME = "checkpoint.pt"
THRESHOLD = 0.5  # the probability from which a detector calls an image real, unless it was calibrated to less


class CheckpointError(Exception):
    """A checkpoint that is missing, torn or of another format."""


@dataclass
class Checkpoint:
    """The state of a run.

    Attributes:
        config: What the run does.
        run_id: The run's name in the world, the same in all that is made from it.
        source_commit: The commit of the trainer's source, `-dirty` behind it if changed, or `unknown`.
        torch_version: The torch that wrote it; empty in older ones.
        data_fingerprint: `DataSet.fingerprint()` of what it was begun with; empty in older ones.
        images_seen: The clock.
        elapsed_s: Seconds spent in the loop so far.
        gan: `Gan.state_dict()`; None before the first step.
        latents_rng: State of the generator of latents; None before the first step.
        governor, balance: Their `state_dict()`s; None before the first step.
        recoveries: How often the run has gone back to its last good state.
        best: The best snapshot so far, by the Fréchet distance to the held-out digits; None where none was measured.
        snapshots: Some generators of the way, for the detector stage: their `images_seen` and weights.
        finished: The run has come to its end, so that `generator`, `discriminator` and `quality` are there.
        generator, discriminator: The weights to use: the generator's moving average, and the detector's.
        calibration: How the detector was calibrated, as `training.detector.Calibration` has it; None: it was not.
        quality: What was measured at the end.
    """

    config: TrainingConfig
    run_id: str
    source_commit: str
    torch_version: str = torch.__version__
    data_fingerprint: str = ""
    images_seen: int = 0
    elapsed_s: float = 0.0
    gan: dict[str, Any] | None = None
    latents_rng: torch.Tensor | None = None
    governor: dict[str, Any] | None = None
    balance: dict[str, Any] | None = None
    recoveries: int = 0
    best: dict[str, Any] | None = None
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False
    generator: dict[str, torch.Tensor] | None = None
    discriminator: dict[str, torch.Tensor] | None = None
    calibration: dict[str, float] | None = None
    quality: dict[str, Any] | None = None

    @property
    def dataset(self) -> str:
        """The data set that it saw; never `auto`."""
        return self.config.dataset

    @property
    def threshold(self) -> float:
        """The probability from which the detector calls an image real."""
        return self.calibration["threshold"] if self.calibration else THRESHOLD

    @property
    def one_digit_threshold(self) -> float | None:
        """The probability from which the detector says that an image shows one digit; None: it is not asked."""
        return self.calibration["one_digit_threshold"] if self.calibration else None


def save_checkpoint(checkpoint: Checkpoint, run_folder: Path) -> None:
    """Write it beside and rename it into place: whenever the process dies, a whole checkpoint is there."""
    content = {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint)}
    content |= {"config": checkpoint.config.model_dump(), "torch_version": str(torch.__version__)}
    save_atomically({"format": FORMAT, **content}, run_folder / NAME)


def save_atomically(content: Any, path: Path) -> None:
    """`torch.save` into a file that is complete as soon as it has its name.

    Raises:
        NotWrittenError: The disk is full, or the folder cannot be written to.
    """
    with whole_file(path) as file:
        torch.save(content, file)


def load_checkpoint(run_folder: Path) -> Checkpoint:
    """Read a run's checkpoint, onto the CPU.

    Raises:
        CheckpointError: The folder has none, or it is torn or of another format or torch; the message names the file,
            what wrote it, and what to do.
    """
    path = run_folder / NAME
    if not path.is_file():
        raise CheckpointError(f"{run_folder} is no run: it has no {NAME}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its parser stumbles over
        raise CheckpointError(f"{path} cannot be read: {_reason(path, error)}") from error
    if not isinstance(content, dict) or not isinstance(found := content.pop("format", None), int):
        raise CheckpointError(f"{path} is no checkpoint of digitforge's")
    if found != FORMAT:
        older = f"an older digitforge, of the commit {content.get('source_commit', 'unknown')}; that one reads it"
        raise CheckpointError(
            f"{path} is of format {found}, this digitforge reads format {FORMAT}: it was written by "
            + (older if found < FORMAT else "a newer digitforge; install that to read it")
        )
    try:
        config = TrainingConfig.model_validate(content["config"])
        told: dict[str, Any] = {"torch_version": ""} | content | {"config": config}
        return Checkpoint(**told)
    except (KeyError, TypeError, ValidationError) as error:
        raise CheckpointError(f"{path} does not hold what a checkpoint holds: {error}") from error


def _reason(path: Path, error: Exception) -> str:
    """Why torch cannot read a file, in a line, and what to do: a whole one is another torch's.

    Of torch's words its own advice is left out: to load it all the same is to run whatever code is in a file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return "it is torn"
            pickled = archive.read(next(name for name in archive.namelist() if name.endswith("/data.pkl")))
        texts = [text for _, text, _ in pickletools.genops(pickled) if isinstance(text, str)]
        written_by = texts[texts.index("torch_version") + 1]
    except (zipfile.BadZipFile, zlib.error):
        return "it is torn, or no checkpoint"
    except (OSError, ValueError, StopIteration):
        written_by = torch.__version__
    lines = str(error).splitlines() or [type(error).__name__]
    line = next((line for line in lines if "Unpickler error:" in line), lines[0])
    reason = line.strip().partition(" was not an allowed global")[0]
    if written_by == torch.__version__:
        return reason
    return f"it was written by torch {written_by}, this is {torch.__version__}; install that one to read it: {reason}"
