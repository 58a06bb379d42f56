"""The end of a run: the best snapshot, a detector for it, what the pair is worth on the test set, and the weights."""

import copy
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from evaluation.detector_quality import Thresholds, detector_quality
from evaluation.full_quality import full_quality
from evaluation.reference import MOST_IMAGES, FullReference, Reference
from evaluation.reference import NAME as REFERENCE
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import TrainingConfig
from training.data import DataSet
from training.detector import kinds_for, remove_state, train_detector
from training.detector_calibration import scores_of
from training.figures import tell_headlines
from training.gan import Gan
from training.interrupts import StopRequest
from training.loop import SHEET_IMAGES
from training.measure import FixedLatents, generated_digits, measure_snapshot
from training.model_card import MODEL_CARD, save_safetensors, write_model_card
from training.networks import Generator
from training.plots import draw_plots
from training.processes import spread
from training.report import write_report
from training.run_folder import METRICS, PLOTS, RunFolder


def finish(run: Checkpoint, gan: Gan, data: DataSet, path: Path, stop: StopRequest, say: Callable[[str], None]) -> None:
    """Complete a trained run: its folder and checkpoint then hold all that the exporter needs.

    Stopped on the way it leaves the run as it was, and the detector's stage goes on when the run is resumed.
    """
    generator = best_generator(run, gan)
    snapshots = [snapshot_of(gan, snapshot["generator"]) for snapshot in run.snapshots]
    if run.config.detector_images:
        kinds = ", ".join(kinds_for(snapshots, data.name))
        say(f"training the detector on {run.config.detector_images:,} real images, and as many fakes: {kinds}")
    trained = train_detector(run.config, gan.discriminator, generator, snapshots, data, stop, path)
    if trained is None:
        return
    detector, calibration = trained
    if run.best is not None:
        say(f"the best snapshot is that of {run.best['images_seen']:,} images")
    data = replace(data, test=data.test[:MOST_IMAGES])
    say(f"measuring against {len(data.test):,} images of the test set")
    run.calibration = asdict(calibration) if calibration is not None else None
    of_generator = partial(measure, generator, run.config, data, path)
    of_detector = partial(measure_detector, detector, run, generator, data)
    processes = max(1, min(2, run.config.processes))  # one for each
    with closing(spread(lambda part: (of_generator, of_detector)[part](), 2, processes)) as figures:
        run.quality = {"test_images": len(data.test)} | next(figures) | next(figures)
    run.generator, run.discriminator = generator.state_dict(), detector.state_dict()

    # The checkpoint comes last: a run that dies before is resumed, and does this again.
    with RunFolder(path, run.config, run.images_seen) as folder:
        folder.log(run.images_seen, {f"test/{name}": value for name, value in run.quality.items()})
        folder.save_sheet(
            "final", FixedLatents(run.config, SHEET_IMAGES, gan.device).images(generator), run.images_seen
        )
        folder.save_weights("generator", run.generator)
        folder.save_weights("discriminator", run.discriminator)
    run.finished = True
    draw_plots(path / METRICS, path / PLOTS)
    save_safetensors(run, path)
    write_model_card(run, path)
    write_report(run, path, len(data.fit))
    save_checkpoint(run, path)
    remove_state(path)
    say(f"{tell_headlines(run.quality)}; the other figures are in {path / MODEL_CARD}")


def measure(generator: Generator, config: TrainingConfig, data: DataSet, path: Path) -> dict[str, float]:
    """The figures on the test set; with all of them, the run keeps the real digits that they compare with."""
    if not config.measure_fully:
        light = Reference.of(data.test.images, data.fit.images, data.shows_digits)
        return measure_snapshot(generator, config, light)
    reference = FullReference.of(data.name, data.test.images, data.test.labels, data.fit.images, data.shows_digits)
    reference.save(path / REFERENCE)
    return full_quality(*generated_digits(generator, config, len(reference)), reference).figures


def measure_detector(detector: nn.Module, run: Checkpoint, generator: Generator, data: DataSet) -> dict[str, float]:
    """The figures of a detector on the test set and as many generated images."""
    fakes, _ = generated_digits(generator, run.config, len(data.test))
    return detector_quality(
        partial(scores_of, detector, run.config),
        data.test.images,
        data.test.labels,
        fakes,
        Thresholds(run.threshold, run.one_digit_threshold),
        data.shows_digits,
    )


def best_generator(run: Checkpoint, gan: Gan) -> Generator:
    """The snapshot that was best on the held-out digits, or the last one where none was measured."""
    return snapshot_of(gan, run.best["generator"] if run.best is not None else gan.ema.state_dict())


def snapshot_of(gan: Gan, weights: dict[str, Tensor]) -> Generator:
    """The generator with other weights, in inference mode."""
    generator = copy.deepcopy(gan.ema)
    generator.load_state_dict(weights)
    return generator.eval()
