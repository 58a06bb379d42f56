"""Shared fixtures: data, runs and model repositories made by the project's own commands.

They import what they use when they are asked for: torch and what comes with it take seconds, and most tests of serving
need nothing of it.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.once import made_once

if TYPE_CHECKING:
    from training.checkpoint import Checkpoint
    from training.config import TrainingConfig
    from training.data import DataSet

SERVING = Path(__file__).parent / "serving"
# Of the second version's detector. The first one's, which is not calibrated, are 0.5, another verdict, and none.
THRESHOLD, ONE_DIGIT_THRESHOLD = 0.25, 0.2
SEEDS = (57, 67)  # of the two versions' weights: their detectors say so of their own images
QUALITY = {"frechet_distance": 1.0, "frechet_floor": 0.5, "frechet_ratio": 2.0, "auroc": 0.9}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quickest tests come last: xdist's processes take each other's, and end together where those are short."""
    items.sort(key=lambda item: SERVING in item.path.parents)


@pytest.fixture(scope="session")
def small_digits() -> "DataSet":
    """scikit-learn's digits: there on every machine."""
    from training.data import load_data_set

    return load_data_set("sklearn-digits", Path("nowhere"))


@pytest.fixture(scope="session")
def mnist() -> "DataSet":
    """The real MNIST; tests that need it are skipped where it is not at hand."""
    from training.data import load_data_set

    folder = Path(os.environ.get("DATA_DIR") or "data")
    if not (folder / "MNIST").is_dir():
        pytest.skip("needs MNIST in DATA_DIR")
    return load_data_set("mnist", folder)


def untrained_run(config: "TrainingConfig", run_id: str = "untrained") -> "Checkpoint":
    """A finished run with the weights of its first moment: as good as any for what is not about pictures."""
    from training.checkpoint import Checkpoint
    from training.networks import build_detector, build_generator

    generator, detector = build_generator(config), build_detector(config)
    return Checkpoint(
        config,
        run_id,
        source_commit="none",
        finished=True,
        generator=generator.state_dict(),
        discriminator=detector.state_dict(),
        quality=dict(QUALITY),
    )


@pytest.fixture(scope="session")
def model_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a class-conditional pair of the default architecture, untrained. Not to be written to.

    Both detectors give their own images probabilities a little below 0.5 of being real, and a little above it of
    showing one digit; the second one's thresholds are lower.
    """
    import torch

    from export.export_run import export
    from training.config import PRESETS

    def make(folder: Path) -> None:
        config = PRESETS["default"].with_options({"dataset": "mnist"})
        for version, seed in zip((1, 2), SEEDS, strict=True):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                run = untrained_run(config, f"untrained-{version}")
            if version == 2:
                thresholds = {"threshold": THRESHOLD, "one_digit_threshold": ONE_DIGIT_THRESHOLD}
                run.calibration = {"scale": 1.0, "shift": 0.0, "images": 0, **thresholds}
            assert export(run, folder) == version

    return made_once(tmp_path_factory, "models", make)


@pytest.fixture(scope="session")
def classless_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One version of the article's pair, which has no classes, untrained. Not to be written to."""
    from export.export_run import export
    from training.config import PRESETS

    def make(folder: Path) -> None:
        export(untrained_run(PRESETS["article"]), folder)

    return made_once(tmp_path_factory, "classless-models", make)


@pytest.fixture
def run_of() -> Callable[..., "Checkpoint"]:
    """`untrained_run`, for tests that export runs of their own."""
    return untrained_run
