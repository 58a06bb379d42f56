"""When a run is killed: moments all over its life, and those at which there is most to break."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from benchmarks.training_process import has_checkpoint
from training.checkpoint import NAME, load_checkpoint

POLL_S = 0.002
# Of every five kills: any moment of a run's life, a checkpoint's writing, the stages after training.
KINDS = ("anywhere", "anywhere", "anywhere", "checkpoint", "end")
WRITE_S = 0.05  # a checkpoint's writing takes about as long
UNFINISHED = ".partial"  # a file that does not have its name yet


@dataclass(frozen=True)
class Life:
    """The uninterrupted run's, in seconds: until training began, all of it, and what came after training."""

    start_s: float
    total_s: float
    end_s: float


@dataclass(frozen=True)
class Moment:
    """A moment to kill at.

    Attributes:
        kind: One of `KINDS`.
        share: From 0 to 1: where in the time that the kind spans.
        checkpoint: At which of the checkpoints that a process writes, from 1; for the kind `checkpoint`.
    """

    kind: str
    share: float
    checkpoint: int

    def wait(self, process: Popen[bytes], folder: Path, images: int, life: Life) -> None:
        """Wait for it, or for the end of the process, whichever comes first.

        Args:
            process: The trainer, just started.
            folder: Its run's folder.
            images: The run's length.
            life: The uninterrupted run's.
        """
        if self.kind == "anywhere":
            pause(process, self.share * life.total_s)
        elif self.kind == "checkpoint":
            for _ in range(self.checkpoint):
                wait_until(process, lambda: not is_writing(folder))
                wait_until(process, lambda: is_writing(folder))
            pause(process, self.share * WRITE_S)
        else:
            trained = TrainedWatch(folder, images)
            before_s = life.start_s if trained() else 0.0  # was it killed after training already, it starts up first
            wait_until(process, trained)
            pause(process, before_s + self.share * life.end_s)


class TrainedWatch:
    """Whether the checkpoint of the end of training is there; what comes after goes on from it."""

    def __init__(self, folder: Path, images: int) -> None:
        self.folder = folder
        self.images = images
        self._changed_ns = 0
        self._trained = False

    def __call__(self) -> bool:
        if has_checkpoint(self.folder):
            changed_ns = (self.folder / NAME).stat().st_mtime_ns
            if changed_ns != self._changed_ns:
                self._trained = load_checkpoint(self.folder).images_seen >= self.images
                self._changed_ns = changed_ns
        return self._trained


def is_writing(folder: Path) -> bool:
    """Whether the run is writing a file that is to appear as a whole."""
    return folder.is_dir() and any(path.suffix == UNFINISHED for path in folder.iterdir())


def wait_until(process: Popen[bytes], happens: Callable[[], bool]) -> None:
    """Wait for something to happen, at most until the process ends."""
    while process.poll() is None and not happens():
        time.sleep(POLL_S)


def pause(process: Popen[bytes], seconds: float) -> None:
    """Wait so long, at most until the process ends."""
    with suppress(TimeoutExpired):
        process.wait(seconds)
