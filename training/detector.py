"""The detector stage: a small network is trained, the generator frozen, to tell real digits from all fakes.

A GAN's discriminator is a poor detector: near balance it says 0.5 by design, it only ever saw its own generator's
latest fakes, and a class-conditional one has never been asked without a class. The detector sees no label, and real
digits stand against fresh fakes of the generator, against those of its earlier snapshots, and against kinds that the
stage makes for itself (see fakes/). Both classes get the same treatment (evaluation/treatments.py) and the same
rounding to uint8, as they will when it is served. Then the answer is calibrated on held-out real digits and fresh
fakes, which no step saw.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from evaluation.calibration import fit_platt
from evaluation.detector_quality import treated_images
from evaluation.treatments import treated
from training.batches import Batches
from training.checkpoint import THRESHOLD
from training.config import TrainingConfig
from training.data import DataSet
from training.fakes.altered import MixedDigits, NoisedDigits
from training.fakes.gaussians import GaussianFakes
from training.fakes.generators import Generated
from training.fakes.kind import Kind, Several, mixed
from training.fakes.no_digits import LETTERS, NoDigits
from training.fakes.shipped import FAMILIES, LIKE_MNIST, family_fakes
from training.gan import check_finite, has_bfloat16
from training.interrupts import StopRequest
from training.losses import discriminator_loss
from training.networks import Detector, DetectorOutput, Discriminator, Generator
from training.pixels import normalise
from training.progress import progress
from training.schedule import learning_rate_factor

SEED = 1  # added to the run's: the stage draws its own numbers, so that it can start over after a stop
CALIBRATION_SEED = 2
CHUNK = 500  # images at a time where nothing is trained

OWN, SNAPSHOTS = "own generator", "own snapshots"
# What the fakes of a step are. The own generator's take a texture that is learned late, and letters have no texture of
# their own: it takes many of either.
SHARES = {
    OWN: 0.32,
    SNAPSHOTS: 0.04,
    **dict.fromkeys(FAMILIES, 0.25 / len(FAMILIES)),
    "gaussians": 0.02,
    "mixed digits": 0.03,
    "noised digits": 0.02,
    "no digits": 0.32,
}
WEIGHT_DECAY = 1e-3
# A family's pool, by the images that the detector sees: for 200,000 all pools take about 10 s of one core.
POOL_SHARE, LARGEST_POOL = 0.02, 40_000

# The verdict is "fake" below 0.5, or below what so many of the held-out real digits get, if that is less: of those that
# are as they were, and of those after each treatment.
REAL_CALLED_FAKE = 0.01
TREATED_CALLED_FAKE = 0.035


@dataclass(frozen=True)
class Calibration:
    """How a detector's logits became those of probabilities: `scale * logit + shift`, folded into its last layer.

    Attributes:
        scale, shift: Of the line (Platt 1999).
        images: Real images, and as many fakes, that it was fitted to.
        threshold: The probability from which an image may be called real.
        one_digit_threshold: The probability of one digit from which it may: an image is called real that reaches both.
    """

    scale: float
    shift: float
    images: int
    threshold: float
    one_digit_threshold: float = 0.0


class _StoppedError(Exception):
    """The stage was asked to stop."""


def train_detector(
    config: TrainingConfig,
    discriminator: Discriminator,
    generator: Generator,
    snapshots: Sequence[Generator],
    data: DataSet,
    stop: StopRequest,
) -> tuple[Detector | Discriminator, Calibration | None] | None:
    """Make the fakes, train a detector on them, calibrate it.

    Args:
        config: The run's.
        discriminator: As the GAN's training left it.
        generator: The run's best, on the device where all is computed.
        snapshots: Earlier ones of the same run, on the same device.
        data: Real images: `fit` to train on, `held_out` to calibrate on.
        stop: Becomes true when the stage should end.

    Returns:
        The detector and its calibration, or None if it was asked to stop. Without `detector_images`, a copy of the
        discriminator, without a calibration.
    """

    def tick() -> None:
        if stop:
            raise _StoppedError

    if not config.detector_images:
        return copy.deepcopy(discriminator).eval(), None
    try:
        kinds = make_fakes(config, generator, snapshots, data, tick)
        detector = fit(config, kinds, data.fit.images, next(generator.parameters()).device, tick)
    except _StoppedError:
        return None
    check_finite(detector)
    own = Generated(generator, config)
    return detector, calibrate(detector, config, own, data.held_out.images)


def kinds_for(snapshots: Sequence[Generator], dataset: str) -> list[str]:
    """The names of all kinds in `SHARES`, but for the snapshots' where there are none, and for the fakes of other
    makers' models, which are MNIST's digits, where the data set has other ones.
    """
    unknown = () if dataset in LIKE_MNIST else FAMILIES
    return [name for name in SHARES if name not in unknown and (name != SNAPSHOTS or snapshots)]


def make_fakes(
    config: TrainingConfig,
    generator: Generator,
    snapshots: Sequence[Generator],
    data: DataSet,
    tick: Callable[[], None],
) -> dict[str, Kind]:
    """The kinds by name, as `kinds_for` lists them.

    `tick` is called before each.
    """
    images, digits = data.fit.images, data.fit.labels
    length = config.detector_images
    rng = torch.Generator().manual_seed(config.seed + SEED)
    pool = min(LARGEST_POOL, math.ceil(POOL_SHARE * length))

    makers: dict[str, Callable[[], Kind]] = {
        OWN: lambda: Generated(generator, config),
        SNAPSHOTS: lambda: Several([Generated(snapshot, config) for snapshot in snapshots]),
        **{family: partial(family_fakes, family, data.fit, pool, rng) for family in FAMILIES},
        "gaussians": lambda: GaussianFakes(images, digits),
        "mixed digits": lambda: MixedDigits(images, digits),
        "noised digits": lambda: NoisedDigits(images),
        "no digits": lambda: NoDigits(images, rng, min(LETTERS, length)),  # a short stage shows fewer than all
    }
    kinds: dict[str, Kind] = {}
    names = kinds_for(snapshots, data.name)
    with progress(len(names), "fakes", "kinds") as bar:
        for name in names:
            tick()
            kinds[name] = makers[name]()
            bar.update()
    return kinds


def fit(
    config: TrainingConfig,
    kinds: Mapping[str, Kind],
    images: Tensor,
    device: torch.device,
    tick: Callable[[], None],
) -> Detector:
    """Train a detector on real images uint8[count, 28, 28] and kinds of fakes; `tick` is called after every step."""
    torch.manual_seed(config.seed + SEED)  # of the weights, and of the dropout on a CPU
    detector = Detector(config.detector_channels).to(device).train()
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a tenth faster on a CPU
    optimizer = torch.optim.AdamW(
        detector.parameters(), lr=config.detector_lr, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY, fused=True
    )
    rng = torch.Generator().manual_seed(config.seed + SEED)
    batches = Batches(len(images), config.step_size, config.seed + SEED)
    bfloat16 = config.bfloat16 and has_bfloat16(device)
    seen = 0
    with progress(config.detector_images, "detector", "img") as bar:
        while seen < config.detector_images:
            for group in optimizer.param_groups:
                group["lr"] = config.detector_lr * learning_rate_factor(0.0, seen / config.detector_images)
            real = images[batches.at(seen)]
            fakes = mixed(kinds, SHARES, len(real), rng)
            both = torch.cat([treated(real, rng), treated(fakes, rng)]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                logits = detector(normalise(both, config.pixel_mean, config.pixel_std)).logit
            real_logits, fake_logits = logits.float().chunk(2)
            optimizer.zero_grad()
            discriminator_loss(real_logits, fake_logits).backward()
            optimizer.step()
            seen += len(real)
            bar.update(len(real))
            tick()
    detector.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as files have it
    return detector.eval()


@torch.no_grad()
def calibrate(detector: Detector, config: TrainingConfig, own: Kind, held_out: Tensor) -> Calibration:
    """Calibrate a detector in place, on real images uint8[count, 28, 28] and as many fresh fakes of its generator."""
    fakes = own.images(len(held_out), torch.Generator().manual_seed(config.seed + CALIBRATION_SEED))
    scale, shift = fit_platt(logits_of(detector, config, held_out), logits_of(detector, config, fakes))
    detector.logit.weight.mul_(scale)
    detector.logit.bias.mul_(scale).add_(shift)

    def lowest(images: Tensor, share: float) -> float:
        return float(logits_of(detector, config, images).double().sigmoid().quantile(share))

    limits = [lowest(held_out, REAL_CALLED_FAKE)]
    limits += [lowest(images, TREATED_CALLED_FAKE) for _, images in treated_images(held_out)]
    return Calibration(scale, shift, len(held_out), min(THRESHOLD, *limits))


@torch.no_grad()
def logits_of(detector: nn.Module, config: TrainingConfig, images: Tensor) -> Tensor:
    """The logits that images uint8[count, 28, 28] are real, float32[count], on the CPU: a discriminator's too."""
    seen = output_of(detector, config, images)
    return (seen.logit if isinstance(seen, DetectorOutput) else seen).flatten()


@torch.no_grad()
def output_of(detector: nn.Module, config: TrainingConfig, images: Tensor) -> DetectorOutput | Tensor:
    """All that a detector sees in images uint8[count, 28, 28], on the CPU; of a discriminator its logits."""
    device = next(detector.parameters()).device
    parts = [detector(normalise(part.to(device), config.pixel_mean, config.pixel_std)) for part in images.split(CHUNK)]
    if isinstance(parts[0], DetectorOutput):
        return DetectorOutput(*(torch.cat(columns).cpu() for columns in zip(*parts, strict=True)))
    return torch.cat(parts).cpu()
