"""What a finished run leaves, beside what the same measurements give when they are made again."""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evaluation.detector_quality import Score, Thresholds, detector_quality
from evaluation.full_quality import full_quality
from evaluation.reference import NAME as REFERENCE
from evaluation.reference import FullReference, Reference
from tests.training.tiny_runs import CONFIGS, CPU, go_on, new_run
from training.checkpoint import Checkpoint, load_checkpoint
from training.data import DataSet
from training.detector_calibration import Calibration, scores_of
from training.finish import finish
from training.interrupts import StopRequest
from training.loop import train
from training.measure import generated_digits, measure_snapshot
from training.networks import Generator, build_detector, build_generator

WholeRun = Callable[[str], tuple[Checkpoint, Path]]


def same(first: dict[str, Tensor] | None, second: dict[str, Tensor] | None) -> bool:
    assert first
    assert second
    return first.keys() == second.keys() and all(torch.equal(weight, second[name]) for name, weight in first.items())


def networks(run: Checkpoint) -> tuple[Generator, Score]:
    """Both, as the run's checkpoint has them."""
    generator, detector = build_generator(run.config), build_detector(run.config)
    generator.load_state_dict(run.generator or {})
    detector.load_state_dict(run.discriminator or {})
    return generator.eval(), partial(scores_of, detector.eval(), run.config)


def test_its_figures_are_those_of_its_weights_on_the_test_set(whole_run: WholeRun, small_digits: DataSet) -> None:
    run, folder = whole_run("default")
    generator, score = networks(run)
    test, fit = small_digits.test, small_digits.fit
    reference = FullReference.of("sklearn-digits", test.images, test.labels, fit.images)
    images, asked = generated_digits(generator, run.config, len(test))
    assert run.quality == {
        "test_images": len(test),
        **full_quality(images, asked, reference).figures,
        **detector_quality(
            score, test.images, test.labels, images, Thresholds(run.threshold, run.one_digit_threshold), True
        ),
    }
    kept = FullReference.load(folder / REFERENCE)
    assert kept.floors == reference.floors
    assert torch.equal(kept.images, test.images)


def test_its_generator_is_the_best_snapshot(whole_run: WholeRun) -> None:
    run, _ = whole_run("default")
    assert run.best is not None
    assert same(run.generator, run.best["generator"])


def test_the_detector_is_calibrated_on_as_many_images_as_are_held_out(
    whole_run: WholeRun, small_digits: DataSet
) -> None:
    calibration = whole_run("default")[0].calibration
    assert calibration is not None
    assert calibration.keys() == {field.name for field in fields(Calibration)}
    assert calibration["images"] == len(small_digits.held_out)


def test_its_files_hold_what_its_checkpoint_holds(whole_run: WholeRun) -> None:
    for name in CONFIGS:
        run, folder = whole_run(name)
        saved = load_checkpoint(folder)
        assert saved.finished
        assert saved.quality == run.quality
        for role in ("generator", "discriminator"):
            assert same(getattr(run, role), getattr(saved, role))
            assert same(getattr(run, role), torch.load(folder / f"{role}.pth", weights_only=True))


def test_a_run_without_a_detector_stage_leaves_its_last_pair_as_it_is(whole_run: WholeRun) -> None:
    run, _ = whole_run("article")
    assert run.gan is not None
    assert same(run.generator, run.gan["generator"])
    assert same(run.discriminator, run.gan["discriminator"])
    assert (run.calibration, run.threshold) == (None, 0.5)


def test_a_run_that_is_measured_in_short_is_measured_on_the_test_set_too(small_digits: DataSet, tmp_path: Path) -> None:
    """With a detector of one step, which is less than half sure of some real digits."""
    options = {
        "images": 128,
        "detector_images": 128,
        "detector_channels": 4,
        "detector_lr": 3e-4,
        "measure_fully": False,
    }
    run = go_on(new_run(CONFIGS["default"].with_options(options)), small_digits, tmp_path)
    generator, score = networks(run)
    test = small_digits.test
    images, _ = generated_digits(generator, run.config, len(test))
    assert run.calibration is not None
    thresholds = Thresholds(run.calibration["threshold"], run.calibration["one_digit_threshold"])
    assert thresholds.real < 0.5
    assert run.quality == {
        "test_images": len(test),
        **measure_snapshot(generator, run.config, Reference.of(test.images, small_digits.fit.images)),
        **detector_quality(score, test.images, test.labels, images, thresholds, True),
    }
    assert not (tmp_path / REFERENCE).exists()


def test_a_run_whose_last_files_cannot_be_written_is_not_finished(small_digits: DataSet, tmp_path: Path) -> None:
    options = {"images": 128, "detector_images": 0, "measure_fully": False, "measure_milestones": 0}
    run = new_run(CONFIGS["default"].with_options(options))
    gan = train(run, small_digits, tmp_path, CPU, StopRequest(), lambda _: None)
    assert gan is not None
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match=r"report\.html"):
        finish(run, gan, small_digits, tmp_path, StopRequest(), lambda _: None)
    assert not load_checkpoint(tmp_path).finished
