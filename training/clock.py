"""How far a run has come: by images seen, which repeats exactly, or by a budget of minutes."""

import time
from typing import Any

from training.config import TrainingConfig


class Clock:
    """Progress of a run.

    Args:
        config: Gives the length, in images, epochs or minutes.
        epoch_images: Images in the training set.
        elapsed_s: Seconds that earlier parts of the run took.
    """

    def __init__(self, config: TrainingConfig, epoch_images: int, elapsed_s: float) -> None:
        self._start = time.monotonic() - elapsed_s
        self._seconds = config.minutes * 60 if config.minutes else None
        self._images = config.images or (config.epochs or 0) * epoch_images

    @property
    def elapsed_s(self) -> float:
        """Seconds spent in the run, earlier parts included."""
        return time.monotonic() - self._start

    def progress(self, images_seen: int) -> float:
        """From 0 at the start to 1 at the end, or beyond."""
        return self.elapsed_s / self._seconds if self._seconds else images_seen / self._images

    @property
    def bar(self) -> dict[str, Any]:
        """What `progress` needs to show this clock."""
        if self._seconds:
            return {"total": round(self._seconds), "unit": "s"}
        return {"total": self._images, "unit": "img"}

    def bar_position(self, images_seen: int) -> int:
        """Where the bar stands."""
        return round(self.elapsed_s) if self._seconds else images_seen
