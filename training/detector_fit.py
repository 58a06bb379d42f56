"""The training of a detector, step by step. It can be stopped, or killed, and gone on with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.pen import drawn
from evaluation.treatments import treated
from training.batches import Batches
from training.checkpoint import CheckpointError, save_atomically
from training.config import TrainingConfig
from training.data import LabelledImages
from training.fakes.kind import Kind, drawn_kinds
from training.gan import has_bfloat16
from training.losses import discriminator_loss
from training.networks import Detector, fresh_detector
from training.pixels import normalise
from training.progress import progress
from training.schedule import learning_rate_factor
from training.workers import Workers

SEED = 1  # added to the run's: the stage draws its own numbers
WEIGHT_DECAY = 1e-3
STATE = "detector.pt"
SAVES = 40  # in the course of the stage

# Of the real images: those that have been on a journey, and those drawn anew along their strokes, as other hands and
# pens would.
SENT_SHARE = 0.16
PEN_SHARE = 0.05
ONE_DIGIT_WEIGHT = 0.5  # of its loss, beside that of real against fake
CLASS_WEIGHT = 0.25


class StoppedError(Exception):
    """The stage was asked to stop."""


@dataclass(frozen=True)
class Material:
    """What a detector learns from.

    Attributes:
        real: The training set.
        sent: Real images after a journey; may be none.
        paths: The strokes of real digits, as `evaluation.pen` has them; may be none.
        path_labels: Their classes.
        kinds: Fakes, and what is no digit, by name.
        shares: How much of each kind a step sees.
        digits: The names of kinds of which every image shows a digit.
        no_digits: Those of which none does; of others it is not said.
    """

    real: LabelledImages
    sent: LabelledImages
    paths: Tensor
    path_labels: Tensor
    kinds: Mapping[str, Kind]
    shares: Mapping[str, float]
    digits: frozenset[str]
    no_digits: frozenset[str]

    def real_batch(self, index: Tensor, rng: torch.Generator) -> LabelledImages:
        """Real images of the training set, some in other forms, treated."""
        images, labels = self.real.images[index].clone(), self.real.labels[index].clone()
        draw = torch.rand(len(index), generator=rng)
        (chosen,) = torch.where(draw < SENT_SHARE)
        if len(self.sent) and len(chosen):
            others = torch.randint(len(self.sent), (len(chosen),), generator=rng)
            images[chosen], labels[chosen] = self.sent.images[others], self.sent.labels[others]
        (chosen,) = torch.where(draw >= 1 - PEN_SHARE)
        if len(self.paths) and len(chosen):
            others = torch.randint(len(self.paths), (len(chosen),), generator=rng)
            images[chosen], labels[chosen] = drawn(self.paths[others], rng), self.path_labels[others]
        return LabelledImages(treated(images, rng), labels)

    def other_batch(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Fakes and what is no digit, treated alike; and whether each shows one digit: 1, 0, or -1 for unknown."""
        parts, one_digit = [torch.empty(0, 28, 28, dtype=torch.uint8)], [torch.empty(0, dtype=torch.int64)]
        for name, images in drawn_kinds(self.kinds, self.shares, count, rng):
            says = 1 if name in self.digits else 0 if name in self.no_digits else -1
            parts.append(images)
            one_digit.append(torch.full((len(images),), says))
        return treated(torch.cat(parts), rng), torch.cat(one_digit)


def fit(
    config: TrainingConfig,
    material: Material,
    device: torch.device,
    tick: Callable[[], None],
    folder: Path | None = None,
    workers: Workers | None = None,
) -> Detector:
    """Train a detector.

    What a step draws is a pure function of the seed and of the images seen before it. So the networks' and the
    optimizer's state are all that has to be kept. Of several workers each draws its share of a batch by itself.

    Args:
        config: The run's.
        material: What it learns from.
        device: Where to compute.
        tick: Called after every step. If it raises `StoppedError`, the state is kept, and the error goes on.
        folder: Where the state is kept and looked for; None: nowhere.
        workers: The processes that train together, or None for this one alone. Only the first one writes.

    Raises:
        StoppedError: It was asked to stop.
        CheckpointError: The state that was kept cannot be read.
    """
    seed = config.seed + SEED
    workers = workers or Workers()
    torch.manual_seed(seed)
    detector = fresh_detector(config).to(device).train()
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a tenth faster on a CPU
    optimizer = torch.optim.AdamW(
        detector.parameters(), lr=config.detector_lr, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY, fused=True
    )
    statistics = [buffer for buffer in detector.buffers() if buffer.is_floating_point()]  # BatchNorm's running ones
    batches = Batches(len(material.real), config.step_size, seed, smallest=2 * workers.count)
    bfloat16 = config.bfloat16 and has_bfloat16(device)
    seen = 0
    if folder is not None and (folder / STATE).exists():
        state = load_state(folder / STATE)
        detector.load_state_dict(state["detector"])
        if state["optimizer"] is not None:  # None: the weights of an earlier detector, to begin with
            optimizer.load_state_dict(state["optimizer"])
        seen = state["seen"]

    def save() -> None:
        if folder is not None and workers.first:
            content = {"detector": detector.state_dict(), "optimizer": optimizer.state_dict(), "seen": seen}
            save_atomically(content, folder / STATE)

    length = config.detector_images
    with progress(length, "detector", "img", initial=seen, shown=workers.first) as bar:
        while seen < length:
            rng = draws_at(seed, seen, workers.rank)
            for group in optimizer.param_groups:
                group["lr"] = config.detector_lr * learning_rate_factor(0.0, seen / length)
            batch = batches.at(seen)
            real = material.real_batch(workers.share(batch), rng)
            others, one_digit = material.other_batch(len(real), rng)
            both = torch.cat([real.images, others]).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                output = detector(normalise(both, config.pixel_mean, config.pixel_std))
            loss = detector_loss(
                output.logit.float(),
                output.digit_logits.float(),
                output.one_digit_logit.float(),
                real.labels,
                one_digit,
            )
            optimizer.zero_grad()
            loss.backward()
            workers.average_gradients(detector.parameters(), len(real), len(batch))
            workers.average(statistics, len(real), len(batch))
            optimizer.step()
            before, seen = seen, seen + len(batch)
            bar.update(len(batch))
            if before * SAVES // length != seen * SAVES // length:
                save()
            try:
                tick()
                stopped = False
            except StoppedError:
                stopped = True
            if workers.agree(seen / length, stopped)[1]:
                save()
                raise StoppedError
    detector.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # as files have it
    return detector.eval()


def detector_loss(
    logits: Tensor, digit_logits: Tensor, one_digit_logits: Tensor, labels: Tensor, one_digit: Tensor
) -> Tensor:
    """The losses of the three heads together: cross-entropies, of which the binary ones weigh both sides the same.

    Args:
        logits: float[count + others, 1], of so many real images and then of others.
        digit_logits: float[count + others, 10].
        one_digit_logits: float[count + others, 1]. Images that are no digits stand in it against all that are: outlier
            exposure (Hendrycks et al. 2019), as a question of its own.
        labels: int64[count], the real images' classes.
        one_digit: int64[others], whether each of the others shows one digit: 1, 0, or -1 for unknown.
    """
    count = len(labels)
    device = logits.device
    one_digit = torch.cat([torch.ones_like(labels), one_digit]).to(device)
    loss = discriminator_loss(logits[:count], logits[count:])
    loss = loss + CLASS_WEIGHT * F.cross_entropy(digit_logits[:count], labels.to(device))
    if (one_digit == 0).any():
        loss = loss + ONE_DIGIT_WEIGHT * discriminator_loss(
            one_digit_logits[one_digit == 1], one_digit_logits[one_digit == 0]
        )
    return loss


def draws_at(seed: int, seen: int, rank: int = 0) -> torch.Generator:
    """A worker's random numbers of the step after so many images; it seeds torch's own as well, for the dropout."""
    step_seed = int(np.random.default_rng((seed, seen, rank)).integers(2**62))
    torch.manual_seed(step_seed)
    return torch.Generator().manual_seed(step_seed)


def load_state(path: Path) -> dict[str, Any]:
    """What the stage keeps in a file.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises whatever its parser stumbles over
        raise CheckpointError(f"{path} cannot be read: {error}; without it the detector is trained anew") from error
