"""The steps in which a detector is trained."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.pen import fields_of_images
from evaluation.quality import detector_auroc
from evaluation.treatments import treated
from tests.training.tiny_runs import CPU, SMALL
from training.batches import Batches
from training.checkpoint import save_atomically
from training.config import PRESETS, TrainingConfig
from training.data import DataSet, LabelledImages
from training.detector_calibration import output_of
from training.detector_fit import (
    CLASS_WEIGHT,
    ONE_DIGIT_WEIGHT,
    PEN_SHARE,
    SEED,
    SENT_SHARE,
    STATE,
    Material,
    detector_loss,
    draws_at,
    fit,
    load_state,
)
from training.fakes.kind import mixed
from training.losses import discriminator_loss
from training.networks import fresh_detector

CONFIG = PRESETS["default"].with_options(SMALL | {"detector_images": 300, "batch_size": 128, "seed": 4})
NONE = torch.empty(0, 28, 28, dtype=torch.uint8)


class Given:
    """A kind of fakes that are there already."""

    def __init__(self, fakes: Tensor) -> None:
        self.fakes = fakes

    def images(self, count: int, rng: torch.Generator) -> Tensor:
        return self.fakes[:count]


def grey(level: int, count: int = 200) -> Tensor:
    return torch.full((count, 28, 28), level, dtype=torch.uint8)


def material(real: LabelledImages, **fields: object) -> Material:
    nothing = LabelledImages(NONE, torch.empty(0, dtype=torch.int64))
    kinds = {"own": Given(255 - real.images), "other": Given(real.images // 2), "none": Given(real.images // 3)}
    given: dict[str, object] = {
        "real": real,
        "sent": nothing,
        "paths": torch.empty(0, 64, 64, dtype=torch.uint8),
        "path_labels": nothing.labels,
        "kinds": kinds,
        "shares": {"own": 2.0, "other": 1.0, "none": 1.0},
        "digits": frozenset({"own"}),
        "no_digits": frozenset({"none"}),
    }
    return Material(**(given | fields))  # type: ignore[arg-type]


def test_a_step_is_adamw_on_real_digits_and_fakes_after_the_same_treatment(small_digits: DataSet) -> None:
    """Three steps beside the same by hand; the last is of an epoch's rest."""
    config = CONFIG.with_options({"detector_lr": 1e-3, "bfloat16": False})
    real = small_digits.fit[:300]
    some = material(real)
    looks: list[int] = []
    found = fit(config, some, CPU, lambda: looks.append(1))

    torch.manual_seed(4 + SEED)
    expected = fresh_detector(config).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    start = copy.deepcopy(expected.state_dict())
    optimizer = torch.optim.AdamW(expected.parameters(), betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    batches, seen = Batches(300, 128, 4 + SEED), 0
    while seen < 300:
        rng = draws_at(4 + SEED, seen)
        index = batches.at(seen)
        torch.rand(len(index), generator=rng)  # which of them are replaced by others: there are no others
        images = treated(real.images[index], rng)
        fakes, one_digit = some.other_batch(len(index), rng)
        both = torch.cat([images, fakes]).flatten(1).float() / 255 * 2 - 1
        logits, digit_logits, one_digit_logits = expected(both)
        loss = detector_loss(logits, digit_logits, one_digit_logits, real.labels[index], one_digit)
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 + math.cos(math.pi * seen / 300)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(index)
    assert len(looks) == 3
    # By the way that the weights have come: as exactly as another second beta asks for, which changes little so soon.
    for name, weight in expected.state_dict().items():
        if weight.ndim > 1 or "running" in name:
            assert (found.state_dict()[name] - weight).norm() <= 1e-5 * (weight - start[name]).norm(), name


def test_all_three_questions_are_learned(small_digits: DataSet) -> None:
    config = CONFIG.with_options({"detector_images": 8_000, "detector_channels": 4})
    test = small_digits.test
    some = material(small_digits.fit)
    output = output_of(fit(config, some, CPU, lambda: None), config, test.images)
    assert float((output.digit_logits.argmax(dim=1) == test.labels).double().mean()) > 0.7
    of_none = output_of(fit(config, some, CPU, lambda: None), config, 255 - test.images)
    assert detector_auroc(output.logit, of_none.logit) > 0.95


def test_the_loss_asks_each_head_its_own_question() -> None:
    """Two real images of the classes 3 and 5; a fake digit, one of which nothing is said, and one that is no digit."""
    torch.manual_seed(0)
    logits, digit_logits, one = torch.randn(5, 1), torch.randn(5, 10), torch.randn(5, 1)
    labels, one_digit = torch.tensor([3, 5]), torch.tensor([1, -1, 0])
    expected = discriminator_loss(logits[:2], logits[2:])
    expected = expected + CLASS_WEIGHT * F.cross_entropy(digit_logits[:2], labels)
    expected = expected + ONE_DIGIT_WEIGHT * discriminator_loss(one[:3], one[4:])
    assert float(detector_loss(logits, digit_logits, one, labels, one_digit)) == pytest.approx(float(expected))


def test_without_anything_that_is_no_digit_that_question_is_not_asked() -> None:
    zeros = torch.zeros(2, 1)
    loss = detector_loss(zeros, torch.zeros(2, 10), zeros, torch.tensor([0]), torch.tensor([-1]))
    assert float(loss) == pytest.approx(2 * math.log(2) + CLASS_WEIGHT * math.log(10))


def test_a_batch_of_fakes_says_of_each_whether_it_shows_a_digit() -> None:
    kinds = {"own": Given(grey(10)), "other": Given(grey(90)), "none": Given(grey(200))}
    some = material(LabelledImages(grey(0), torch.zeros(200, dtype=torch.int64)), kinds=kinds)
    images, one_digit = some.other_batch(120, torch.Generator().manual_seed(0))
    middle = images[:, 14, 14]
    assert {(int(level) + 5) // 50: int(says) for level, says in zip(middle, one_digit, strict=True)} == {
        0: 1,
        1: -1,
        4: 0,
    }


def test_some_of_the_real_images_are_sent_and_some_drawn_anew_with_their_own_labels(small_digits: DataSet) -> None:
    digits = small_digits.fit[:40]
    real = LabelledImages(grey(60, 4_000), torch.full((4_000,), 7))
    sent = LabelledImages(grey(200, 3), torch.full((3,), 8))
    paths = fields_of_images(digits.images)
    some = material(real, sent=sent, paths=paths, path_labels=torch.full((40,), 9))
    batch = some.real_batch(torch.arange(4_000), torch.Generator().manual_seed(0))
    shares = batch.labels.bincount(minlength=10)[7:].double() / 4_000
    assert shares.tolist() == pytest.approx([1 - SENT_SHARE - PEN_SHARE, SENT_SHARE, PEN_SHARE], abs=0.03)
    assert (batch.images[batch.labels == 8].flatten(1).float().mean(1) > 120).all()
    strokes = batch.images[batch.labels == 9]
    assert (strokes[:, 14].amax(1) > 100).double().mean() > 0.8  # white ink
    assert (strokes.flatten(1).float().mean(1) < 110).all()  # on black
    assert (real.images == 60).all()  # which stays as it is


@pytest.mark.parametrize("bfloat16", [False, True])
def test_what_a_step_draws_depends_on_the_seed_and_the_images_seen_alone(bfloat16: bool, small_digits: DataSet) -> None:
    config: TrainingConfig = CONFIG.with_options({"bfloat16": bfloat16})
    first, second = (fit(config, material(small_digits.fit[:200]), CPU, lambda: None) for _ in range(2))
    assert all(torch.equal(weight, second.state_dict()[name]) for name, weight in first.state_dict().items())
    draws = [torch.rand(3, generator=draws_at(1, seen)).tolist() for seen in (0, 128, 0)]
    assert draws[0] == draws[2] != draws[1]
    draws_at(1, 128)
    there = torch.rand(1)
    draws_at(1, 0)
    assert torch.rand(1) != there  # and the dropout's


def test_a_detector_can_begin_with_anothers_weights(small_digits: DataSet, tmp_path: Path) -> None:
    """Steps of no length leave them as they were."""
    given = {name: weight + 1 for name, weight in fresh_detector(CONFIG).state_dict().items()}
    save_atomically({"detector": given, "optimizer": None, "seen": 0}, tmp_path / STATE)
    config = CONFIG.with_options({"detector_images": 128, "detector_lr": 1e-12})
    found = fit(config, material(small_digits.fit[:200]), CPU, lambda: None, tmp_path).state_dict()
    for name in ("logit.weight", "texture.1.weight", "levels.1.weight", "hidden.0.bias"):
        assert torch.allclose(found[name], given[name], atol=1e-6), name
    assert load_state(tmp_path / STATE)["seen"] == 128


def test_mixed_is_what_the_kinds_give() -> None:
    assert len(mixed({"own": Given(grey(1))}, {"own": 1.0}, 33, torch.Generator().manual_seed(1))) == 33
