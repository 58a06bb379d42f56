"""The film of a run: the same latents as the generator drew them from milestone to milestone."""

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from training.checkpoint import Checkpoint
from training.metrics_file import Metrics

MOST_FRAMES = 60  # of 30 kB each, or of 45 kB where they are all noise
LEVELS = 16  # shades of grey in a frame; with 256 it would take three times as much
KEY_FRAMES = 6  # are printed on paper


@dataclass(frozen=True)
class Frame:
    """A sheet as a frame of the film.

    Attributes:
        label: What moment of the run it is from.
        source: The picture as a data URI.
        best: It is the best snapshot's.
        key: It is one of the few that stand for all on paper.
    """

    label: str
    source: str
    best: bool
    key: bool


def film(run: Checkpoint, sheets: Path, metrics: Metrics, epoch_images: int | None) -> list[Frame]:
    """The frames of a run's sheets: all of them, or of more than `MOST_FRAMES` every second, fourth, eighth ...

    The first, the last and the best are always among them.

    Args:
        run: The run.
        sheets: Its folder of sheets, `0001.png` for the first milestone.
        metrics: Its readings.
        epoch_images: Images in the training set, which is how far apart milestones are where the config does not say.
    """
    milestones = sorted(int(path.stem) for path in sheets.glob("[0-9]*.png") if path.stem.isdecimal())
    between = run.config.milestone_images or epoch_images
    best = _best_milestone(run, between) if between else None
    shown = _thin(milestones, best)
    keys = {shown[round(index * (len(shown) - 1) / (KEY_FRAMES - 1))] for index in range(KEY_FRAMES) if shown}
    frames = []
    for milestone in shown:
        path = sheets / f"{milestone:04d}.png"
        try:
            source = small_picture(path, path.stat().st_mtime_ns)
        except OSError:
            continue  # a killed run was writing it
        label = f"epoch {milestone}" if between is None else _label(milestone * between, run, metrics)
        frames.append(Frame(label, source, milestone == best, milestone in keys))
    return frames


def _thin(milestones: list[int], best: int | None) -> list[int]:
    stride = 1
    while len(milestones[::stride]) > MOST_FRAMES:
        stride *= 2  # so that frames that were dropped once are not asked for again
    wanted = {*milestones[::stride], *milestones[-1:], best}
    return [milestone for milestone in milestones if milestone in wanted]


def _best_milestone(run: Checkpoint, between: int) -> int | None:
    """The best snapshot's; None where it is no milestone's, but that of the run's last step."""
    if run.best is None:
        return None
    milestone, beyond = divmod(run.best["images_seen"], between)
    return int(milestone) if beyond < run.config.step_size else None


def _label(images: int, run: Checkpoint, metrics: Metrics) -> str:
    """The moment, and the quality where it was measured then: in the first whole step at or after it."""
    label = f"{images:,} images"
    if (curve := metrics.curves.get("frechet_ratio")) is not None:
        for at, ratio in zip(curve.images, curve.values, strict=True):
            if images <= at < images + run.config.step_size:
                label += f" · Fréchet {ratio:,.3g} × floor" if ratio < 1000 else f" · Fréchet {ratio:,.0f} × floor"
    return label


@lru_cache(maxsize=1024)
def small_picture(path: Path, modified_ns: int) -> str:
    """A sheet with few shades of grey, as a data URI. A sheet that was written anew has another `modified_ns`.

    Raises:
        OSError: It is no whole picture.
    """
    with Image.open(path) as image:
        grey = image.convert("L").point([round(value * (LEVELS - 1) / 255) for value in range(256)])
    picture = Image.frombytes("P", grey.size, grey.tobytes())
    picture.putpalette([round(level * 255 / (LEVELS - 1)) for level in range(LEVELS) for _ in range(3)])
    return _data_uri(picture, bits=4)


def whole_picture(path: Path) -> str | None:
    """A sheet in all its shades of grey, as a data URI; None where there is none."""
    try:
        with Image.open(path) as image:
            return _data_uri(image.convert("L"))
    except OSError:
        return None


def _data_uri(picture: Image.Image, **options: int) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
