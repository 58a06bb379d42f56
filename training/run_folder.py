"""A run's folder: everything that the run makes.

config.json          what it does
checkpoint.pt        to go on from, or to export
generator.pth        plain weights, at the end
discriminator.pth
metrics.jsonl        losses and quality, a JSON object a line
events.out.tfevents* the same for TensorBoard
sheets/              real.png, and a sheet of fakes from the same latents at every milestone
plots/               losses, balance and quality, at the end
report.html          all of it in one page, renewed at every milestone
generator.safetensors, discriminator.safetensors, MODEL_CARD.md
                     the weights and what they are, to be passed on, at the end
reference.npz        the real digits that the figures compare with, at the end
"""

import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from digitforge.machine.whole_file import naming, whole_file, write_whole
from evaluation import torchvision_without_ops  # noqa: F401  (before torchvision)
from training.charts import tensorboard_layout
from training.checkpoint import save_atomically
from training.config import TrainingConfig

from torchvision.utils import make_grid, save_image  # isort: skip

LATEST = "latest"
METRICS = "metrics.jsonl"
PLOTS = "plots"
SHEET_COLUMNS = 10


def new_run_folder(runs: Path, name: str) -> Path:
    """Make the next numbered folder in `runs`, such as `0007-default-mnist`."""
    with naming(runs):
        runs.mkdir(parents=True, exist_ok=True)
        numbers = [int(match[1]) for path in runs.iterdir() if (match := re.match(r"(\d+)-", path.name))]
        folder = runs / f"{max(numbers, default=0) + 1:04d}-{name}"
        folder.mkdir()
    return folder


def point_latest_to(run: Path, runs: Path) -> None:
    """Make `latest` in `runs` a link to a run, wherever that lies.

    Raises:
        NotWrittenError: `runs` cannot be written to.
    """
    with naming(runs / LATEST):
        runs.mkdir(parents=True, exist_ok=True)
        link = runs / f".{LATEST}-{os.getpid()}"
        link.symlink_to(os.path.relpath(run.resolve(), runs.resolve()))
        os.replace(link, runs / LATEST)


class RunFolder:
    """Writes into a run's folder. Use it as a context manager: it closes its files.

    Args:
        path: The folder; made where it is not there.
        config: Saved beside the results.
        images_seen: Where the run goes on from; lines and events beyond, of a part that is run again, are dropped.
        writing: Only one of several processes writes; the others call the same methods to no effect.
    """

    def __init__(self, path: Path, config: TrainingConfig, images_seen: int = 0, writing: bool = True) -> None:
        self.path = path
        self.writing = writing
        self.columns = SHEET_COLUMNS - SHEET_COLUMNS % (config.classes or 1)
        if not writing:
            return
        self.sheets = path / "sheets"
        with naming(self.sheets):
            self.sheets.mkdir(parents=True, exist_ok=True)
        write_whole(path / "config.json", json.dumps(config.model_dump(), indent=2) + "\n")
        self._open(images_seen)

    def __enter__(self) -> "RunFolder":
        self._excepthook, threading.excepthook = threading.excepthook, self._on_threads_error
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        threading.excepthook = self._excepthook
        try:
            self._close()
        except OSError:
            if kind is None:  # else what could not be written has been told
                raise

    def rewind(self, images_seen: int) -> None:
        """Drop the lines and events beyond: that part is run again."""
        if self.writing:
            self._close()
            self._open(images_seen)

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Add values at this point of the run to the metrics and to TensorBoard's events."""
        if not self.writing:
            return
        self._write({"images": images_seen, **values})
        with naming(self.path):
            for name, value in values.items():
                self._events.add_scalar(name, value, images_seen)

    def log_event(self, images_seen: int, event: str, text: str) -> None:
        """Add something that the trainer saw or did."""
        if not self.writing:
            return
        self._write({"images": images_seen, "event": event, "text": text})
        with naming(self.path):
            self._events.add_text("events", f"**{event.replace('_', ' ')}**: {text}", images_seen)

    def save_sheet(self, name: str, images: Tensor, images_seen: int = 0) -> None:
        """float[count, 784] in the generator's scale, shown as 0.5 * (x + 1): ten a row, or as many classes as fit."""
        if not self.writing:
            return
        pictures = (0.5 * (images.float().unflatten(1, (1, 28, 28)) + 1)).clamp(0, 1)
        sheet = make_grid(pictures, nrow=self.columns)
        with whole_file(self.sheets / f"{name}.png") as file:
            save_image(sheet, file, format="png")
        with naming(self.path):
            self._events.add_image(name if name in ("real", "final") else "sheet", sheet, images_seen)

    def save_weights(self, name: str, weights: dict[str, torch.Tensor]) -> None:
        """Plain weights for `load_state_dict`, as `<name>.pth`."""
        save_atomically(weights, self.path / f"{name}.pth")

    def _open(self, images_seen: int) -> None:
        self._drop_metrics_beyond(images_seen)
        with naming(self.path):
            self._metrics = (self.path / METRICS).open("ab", buffering=0)  # a line at a time, in one write
            self._events = SummaryWriter(str(self.path), purge_step=images_seen + 1 if images_seen else None)
            self._events.add_custom_scalars(tensorboard_layout())

    def _on_threads_error(self, error: threading.ExceptHookArgs) -> None:
        """TensorBoard writes in a thread, and raises what happens there again in the next call, which is enough."""
        if not (isinstance(error.exc_value, OSError) and type(error.thread).__module__.startswith("tensorboard.")):
            self._excepthook(error)

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        with naming(self.path / METRICS, len(line)):
            while line:  # a disk that is nearly full takes a part of it
                line = line[self._metrics.write(line) :]

    def _close(self) -> None:
        if self.writing:
            self._metrics.close()
            with naming(self.path):
                self._events.close()

    def _drop_metrics_beyond(self, images_seen: int) -> None:
        path = self.path / METRICS
        if not path.exists():
            return
        kept = []
        for line in path.read_text().splitlines():
            try:
                entry: dict[str, Any] = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that a killed run was writing
            # The figures of a finish that was killed are measured again.
            if entry["images"] <= images_seen and not any(name.startswith("test/") for name in entry):
                kept.append(line)
        write_whole(path, "".join(f"{line}\n" for line in kept))
