"""How long a run takes here, all its stages together: from a short calibration at its start.

The GAN's own step is timed as it is. All else is known from one machine, in seconds of one of its cores, and scaled by
how long a step of a small detector takes here and took there.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from evaluation.threads import torch_threads
from training.config import TrainingConfig
from training.detector_fit import SEED, detector_loss
from training.gan import Gan
from training.networks import PIXELS, Detector

STEPS, WARM_UP = 8, 4  # that are timed, after some that are not: two penalties of `default` are among them
ROWS = 64
# Of one core of the machine that the other figures were measured on (Zen 4):
SMALL_STEP_S = 0.028  # the calibration's step of a detector
FAKES_S = 17.0  # to make all kinds of fakes
JOURNEY_S = 0.0065  # an image that goes through a picture file
DETECTOR_IMAGE_S, PER_CHANNEL_S = 0.00023, 0.000055  # a real image and the other beside it, drawn; and the network's
JOURNEYS_A_POOL_IMAGE = 2.5  # the real one, the fake, and half an outlier
DATA_IMAGES = 55_000  # of MNIST's training set; a smaller data set has as much less to be measured against
MEASUREMENT_S = 2.0  # of a snapshot, on the held-out digits
FIGURES_S, FULL_FIGURES_S = 65.0, 105.0  # at the end: the Fréchet distance, or all figures; with the detector's


@dataclass(frozen=True)
class Estimate:
    """Seconds that each stage of a run takes, of what is left of it.

    Attributes:
        training: Of the GAN, its milestones measured.
        detector: Its fakes, its pool of pictures, its steps.
        figures: What is measured at the end.
    """

    training: float
    detector: float
    figures: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.training + self.detector + self.figures

    @property
    def after_training(self) -> float:
        """What follows when the GAN is trained."""
        return self.detector + self.figures


def estimate(
    config: TrainingConfig, epoch_images: int, images_seen: int, elapsed_s: float, image_s: float, pace: float
) -> Estimate:
    """The arithmetic.

    Args:
        config: The run's, its number of processes told.
        epoch_images: Images in the training set.
        images_seen: How far the run has come.
        elapsed_s: Seconds that it took so far.
        image_s: Seconds that an image of the GAN's training takes, all processes at work.
        pace: How many times as long as on the known machine a core takes here.
    """
    processes = max(1, config.processes)
    to_measure = min(1.0, epoch_images / DATA_IMAGES)
    milestones = config.measure_milestones * (config.milestone_images or epoch_images)
    if config.minutes is not None:
        training = 60 * config.minutes - elapsed_s
    else:
        length = config.images or (config.epochs or 0) * epoch_images
        left = max(0, length - images_seen)
        measured = math.ceil(left / milestones) if milestones else min(left, 1)
        training = left * image_s + measured * MEASUREMENT_S * to_measure * pace / processes
    detector = 0.0
    if config.detector_images:
        shared = config.detector_images * (DETECTOR_IMAGE_S + config.detector_channels * PER_CHANNEL_S)
        shared += config.detector_pool * JOURNEYS_A_POOL_IMAGE * JOURNEY_S
        detector = pace * (FAKES_S + shared / processes)
    figures = pace * to_measure * (FULL_FIGURES_S if config.measure_fully else FIGURES_S) / min(2, processes)
    return Estimate(max(0.0, training), detector, figures)


def calibrate(config: TrainingConfig, device: torch.device) -> tuple[float, float]:
    """`image_s` and `pace` of this machine, for `estimate`. It draws from torch's global random numbers."""
    with torch_threads(1 if config.processes > 1 else torch.get_num_threads()):
        gan = Gan(config, device)
        rows = max(2, config.step_size // max(1, config.processes))
        images = torch.zeros(rows, 28, 28, dtype=torch.uint8, device=device)
        digits = torch.arange(rows, device=device) % max(1, config.classes)
        latents = torch.randn(rows, config.latent_size, device=device)

        def train() -> None:
            gan.step(images, digits, latents, latents if config.fresh_latents else None)
            gan.update_ema(rows, config.step_size)

        image_s = _seconds(train) / config.step_size
    with torch_threads(1):
        detector = Detector(8, 10, config.pixel_mean, config.pixel_std).train()
        both = torch.randn(2 * ROWS, PIXELS, generator=torch.Generator().manual_seed(SEED))
        one_digit = torch.arange(ROWS) % 2

        def look() -> None:
            output = detector(both)
            logits = output.logit, output.digit_logits, output.one_digit_logit
            detector_loss(*logits, torch.arange(ROWS) % 10, one_digit).backward()

        return image_s, _seconds(look) / SMALL_STEP_S


def _seconds(step: Callable[[], None]) -> float:
    """A step's, on average: some steps in a row cost more than others, by a penalty."""
    for _ in range(WARM_UP):
        step()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - start) / STEPS
