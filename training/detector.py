"""The detector stage: a small network is trained, the generator frozen, to tell real digits from all fakes.

A GAN's discriminator is a poor detector: near balance it says 0.5 by design, it only ever saw its own generator's
latest fakes, and a class-conditional one has never been asked without a class. The detector sees no label, and real
digits stand against fresh fakes of the generator, against those of its earlier snapshots, and against kinds that the
stage makes for itself (see fakes/). Both classes get the same treatment (evaluation/treatments.py), some of both come
from picture files (pool.py), and all are rounded to uint8, as they will be when it is served. Then the answer is
calibrated on held-out real digits and fresh fakes, which no step saw.

Beside that it learns which digit an image shows, and whether it shows one at all.
"""

import copy
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from evaluation.pen import fields_of_images
from training.checkpoint import save_atomically
from training.config import TrainingConfig
from training.data import DataSet, LabelledImages
from training.detector_calibration import Calibration, calibrate
from training.detector_fit import SEED, STATE, Material, StoppedError, fit, load_state
from training.fakes.altered import MixedDigits, NoisedDigits, SquashedDigits
from training.fakes.gaussians import GaussianFakes
from training.fakes.generators import Generated
from training.fakes.kind import Kind, Pooled, Several
from training.fakes.no_digits import LETTERS, NoDigits
from training.fakes.shipped import FAMILIES, LIKE_MNIST, family_fakes
from training.gan import check_finite
from training.interrupts import StopRequest
from training.networks import Detector, Discriminator, Generator
from training.pool import Pool, make_pool
from training.processes import workers_here
from training.progress import progress
from training.workers import Workers

CALIBRATION_SEED = 2
POOL = "detector-pool.pt"

OWN, SNAPSHOTS, NO_DIGITS = "own generator", "own snapshots", "no digits"
# What stands against the real digits of a step. The own generator's take a texture that is learned late: it takes many.
SHARES = {
    OWN: 0.40,
    SNAPSHOTS: 0.03,
    **dict.fromkeys(FAMILIES, 0.018),
    "gan collection": 0.11,  # what most strangers take, and the hardest to know
    "gaussians": 0.01,
    "mixed digits": 0.01,
    "noised digits": 0.01,
    "squashed digits": 0.11,  # what is common to networks that nobody here has seen
    NO_DIGITS: 0.18,
}
# The rest of it comes from the pool, with a mark behind the name.
SENT = ", sent"
OWN_SENT, OTHERS_SENT, NO_DIGITS_SENT = 0.12, 0.05, 0.04
LARGEST_POOL = 30_000  # of a family's fakes


def train_detector(
    config: TrainingConfig,
    discriminator: Discriminator,
    generator: Generator,
    snapshots: Sequence[Generator],
    data: DataSet,
    stop: StopRequest,
    folder: Path | None = None,
) -> tuple[Detector | Discriminator, Calibration | None] | None:
    """Make the fakes, train a detector on them, calibrate it.

    Args:
        config: The run's.
        discriminator: As the GAN's training left it.
        generator: The run's best, on the device where all is computed.
        snapshots: Earlier ones of the same run, on the same device.
        data: Real images: `fit` to train on, `held_out` to calibrate on.
        stop: Becomes true when the stage should end.
        folder: Where the stage keeps its state, and goes on from one that it finds; None: nowhere.

    Returns:
        The detector and its calibration, or None if it was asked to stop. Without `detector_images`, a copy of the
        discriminator, without a calibration.

    Raises:
        CheckpointError: What the stage kept cannot be read.
    """

    def tick() -> None:
        if stop:
            raise StoppedError

    if not config.detector_images:
        return copy.deepcopy(discriminator).eval(), None
    try:
        kinds, no_digits = make_fakes(config, generator, snapshots, data, tick)
        pool = pool_of(config, kinds, no_digits, data, tick, folder)
        material = material_of(config, kinds, pool, data)
        device = next(generator.parameters()).device

        def fellow(workers: Workers) -> None:
            fit(config, material, device, lambda: None, folder, workers)

        with workers_here(max(1, config.processes), fellow) as workers:
            detector = fit(config, material, device, tick, folder, workers)
    except StoppedError:
        return None
    check_finite(detector)
    rng = torch.Generator().manual_seed(config.seed + CALIBRATION_SEED)
    count = len(data.held_out)
    fakes = kinds[OWN].images(count, rng)
    return detector, calibrate(detector, config, data.held_out, fakes, no_digits.images(count, rng))


def remove_state(folder: Path) -> None:
    """Remove what the stage keeps to go on with, once it is done."""
    for name in (STATE, POOL):
        (folder / name).unlink(missing_ok=True)


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
) -> tuple[dict[str, Kind], NoDigits]:
    """The kinds by name, as `kinds_for` lists them, and once more the one that shows no digits.

    `tick` is called before each.
    """
    images, digits = data.fit.images, data.fit.labels
    length = config.detector_images
    rng = torch.Generator().manual_seed(config.seed + SEED)
    no_digits = NoDigits(images, data.shows_digits, rng, min(LETTERS, length))  # a short stage shows fewer

    def wanted(family: str) -> int:
        """As many as the steps will draw, up to a limit."""
        return min(LARGEST_POOL, math.ceil(SHARES[family] * length))

    makers: dict[str, Callable[[], Kind]] = {
        OWN: lambda: Generated(generator, config),
        SNAPSHOTS: lambda: Several([Generated(snapshot, config) for snapshot in snapshots]),
        **{family: partial(family_fakes, family, data.fit, wanted(family), rng) for family in FAMILIES},
        "gaussians": lambda: GaussianFakes(images, digits),
        "mixed digits": lambda: MixedDigits(images, digits),
        "noised digits": lambda: NoisedDigits(images),
        "squashed digits": lambda: SquashedDigits(images),
        NO_DIGITS: lambda: no_digits,
    }
    kinds: dict[str, Kind] = {}
    names = kinds_for(snapshots, data.name)
    with progress(len(names), "fakes", "kinds") as bar:
        for name in names:
            tick()
            kinds[name] = makers[name]()
            bar.update()
    return kinds, no_digits


def pool_of(
    config: TrainingConfig,
    kinds: Mapping[str, Kind],
    no_digits: NoDigits,
    data: DataSet,
    tick: Callable[[], None],
    folder: Path | None = None,
) -> Pool:
    """The pool that a stage made before it was stopped, or a new one, which is kept in the folder."""
    if folder is not None and (folder / POOL).exists():
        return Pool.of_state(load_state(folder / POOL))
    fakes = {name: kind for name, kind in kinds.items() if name not in (SNAPSHOTS, NO_DIGITS)}
    shares, seed, processes = _sent_shares(fakes), config.seed + SEED, max(1, config.processes)
    pool = make_pool(data.fit, fakes, shares, no_digits, config.detector_pool, seed, tick, processes)
    if folder is not None:
        save_atomically(pool.state_dict(), folder / POOL)
    return pool


def material_of(config: TrainingConfig, kinds: Mapping[str, Kind], pool: Pool, data: DataSet) -> Material:
    """What the detector learns from: the kinds and, where the pool holds such, those that were sent."""
    sent = {name: pool.fakes[name] for name in kinds if len(pool.fakes.get(name, ()))}
    shares = {name: SHARES[name] for name in kinds} | {
        f"{name}{SENT}": share for name, share in _sent_shares(sent).items()
    }
    pooled: dict[str, Kind] = {f"{name}{SENT}": Pooled(images) for name, images in sent.items()}
    if NO_DIGITS in kinds and len(pool.no_digits):
        pooled[NO_DIGITS + SENT] = Pooled(pool.no_digits)
        shares[NO_DIGITS + SENT] = NO_DIGITS_SENT
    # Digits have strokes; what other data sets show need not.
    drawn_anew = config.detector_pool if data.shows_digits else 0
    some = LabelledImages(data.fit.images[:drawn_anew], data.fit.labels[:drawn_anew])
    return Material(
        real=data.fit,
        sent=pool.real,
        paths=fields_of_images(some.images),
        path_labels=some.labels,
        kinds={**kinds, **pooled},
        shares=shares,
        digits=frozenset({OWN, SNAPSHOTS, OWN + SENT}),
        no_digits=frozenset({NO_DIGITS, NO_DIGITS + SENT}),
    )


def _sent_shares(names: Collection[str]) -> dict[str, float]:
    """How much of each of these kinds comes from the pool; others than the own generator's as fresh ones do."""
    others = {name: SHARES[name] for name in names if name != OWN}
    total = sum(others.values())
    own = {OWN: OWN_SENT} if OWN in names else {}
    return own | {name: OTHERS_SENT * share / total for name, share in others.items()}
