"""What a run is said to take, and what its bar says is left."""

import pytest
import torch

from tests.training.tiny_runs import CONFIGS, CPU
from training import estimate as module
from training.config import PRESETS
from training.estimate import calibrate, estimate
from training.progress import left_s

DEFAULT = PRESETS["default"].with_options({"processes": 2})


def test_each_stage_takes_what_its_images_take(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {
        "FAKES_S": 10.0, "JOURNEY_S": 0.02, "DETECTOR_IMAGE_S": 0.0002, "PER_CHANNEL_S": 0.0001,
        "MEASUREMENT_S": 4.0, "FULL_FIGURES_S": 60.0, "FIGURES_S": 6.0,
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, seconds)
    found = estimate(DEFAULT, epoch_images=55_000, images_seen=0, elapsed_s=0.0, image_s=2e-4, pace=1.0)
    assert found.training == pytest.approx(500_000 * 2e-4 + 5 * 4.0 / 2)
    assert found.detector == pytest.approx(10 + (200_000 * (0.0002 + 8 * 0.0001) + 1_500 * 2.5 * 0.02) / 2)
    assert found.figures == pytest.approx(60 / 2)
    assert found.total == pytest.approx(found.training + found.after_training)

    slow = estimate(DEFAULT, 55_000, 0, 0.0, image_s=2e-4, pace=3.0)
    assert slow.after_training == pytest.approx(3 * found.after_training)
    light = estimate(DEFAULT.with_options({"measure_fully": False}), 55_000, 0, 0.0, 2e-4, 1.0)
    assert light.figures == pytest.approx(6 / 2)
    small = estimate(DEFAULT, 550, 0, 0.0, image_s=2e-4, pace=1.0)
    assert small.figures == pytest.approx(found.figures / 100)


def test_a_run_that_goes_on_takes_what_is_left_of_it() -> None:
    whole, rest = (estimate(DEFAULT, 55_000, seen, 0.0, image_s=1.0, pace=0.0).training for seen in (0, 400_000))
    assert (whole, rest) == (500_000, 100_000)
    assert estimate(DEFAULT, 55_000, 500_050, 0.0, 1.0, 1.0).training == 0
    minutes = DEFAULT.with_options({"minutes": 5.0})
    assert estimate(minutes, 55_000, 0, elapsed_s=100.0, image_s=1.0, pace=1.0).training == 200
    epochs = PRESETS["article"].with_options({"epochs": 20})
    assert estimate(epochs, 1_000, 0, 0.0, 1.0, 0.0).training == 20_000
    assert estimate(epochs, 1_000, 0, 0.0, 1.0, 1.0).detector == 0


def test_a_calibration_tells_times_and_leaves_the_threads_as_they_were() -> None:
    threads = torch.get_num_threads()
    image_s, pace = calibrate(CONFIGS["default"], CPU)
    assert 0 < image_s < 1
    assert 0 < pace < 1000
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("done", "elapsed", "expected", "later", "left"),
    [
        (0, 0, 0, 0, None),  # nothing is known
        (0, 0, 100, 50, 150),
        (25, 25, 100, 50, 75 + 50),
        (25, 50, 100, 50, 150 + 100),  # twice as slow as was thought, and so will be the rest
        (25, 25, 0, 0, 75),
        (100, 80, 100, 50, 0 + 40),
    ],
)
def test_what_is_left_includes_what_comes_after_at_the_pace_so_far(
    done: float, elapsed: float, expected: float, later: float, left: float | None
) -> None:
    assert left_s(total=100, done=done, initial=0, elapsed_s=elapsed, expected_s=expected, later_s=later) == left


def test_what_was_done_before_does_not_count_as_fast() -> None:
    assert left_s(total=100, done=60, initial=50, elapsed_s=10, expected_s=0, later_s=0) == 40
