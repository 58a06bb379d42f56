"""The end of a run: the detector, what the pair is worth on the test set, and the weights to use."""

from collections.abc import Callable
from pathlib import Path

from evaluation.quality import Reference
from training.checkpoint import Checkpoint, save_checkpoint
from training.data import DataSet
from training.detector import train_detector
from training.gan import Gan
from training.interrupts import StopRequest
from training.loop import SHEET_IMAGES
from training.measure import FixedLatents, measure_detector, measure_generator
from training.plots import draw_plots
from training.run_folder import METRICS, PLOTS, RunFolder


def finish(run: Checkpoint, gan: Gan, data: DataSet, path: Path, stop: StopRequest, say: Callable[[str], None]) -> None:
    """Complete a trained run: its folder and checkpoint then hold all that the exporter needs.

    Stopped on the way it leaves the run as it was, and starts over when the run is resumed.
    """
    images = data.fit.images.to(gan.device)
    detector = train_detector(gan, images, stop)
    if detector is None:
        return
    say(f"measuring against the {len(data.test):,} images of the test set")
    reference = Reference.of(data.test.images, data.fit.images)
    run.quality = {
        "test_images": len(data.test),
        **measure_generator(gan, reference),
        "auroc": measure_detector(gan, detector, data.test.images),
    }
    run.generator, run.discriminator = gan.ema.state_dict(), detector.state_dict()
    run.finished = True
    with RunFolder(path, run.config, run.images_seen) as folder:
        folder.log(run.images_seen, {f"test/{name}": value for name, value in run.quality.items()})
        folder.save_sheet("final", FixedLatents(run.config, SHEET_IMAGES, gan.device).images(gan))
        folder.save_weights("generator", run.generator)
        folder.save_weights("discriminator", run.discriminator)
    draw_plots(path / METRICS, path / PLOTS)
    save_checkpoint(run, path)
    say("  ".join(f"{name} {value:.4g}" for name, value in run.quality.items()))
