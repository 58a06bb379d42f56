"""What the loop makes of its parts: number by number beside the same steps made by hand."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evaluation.reference import Reference
from tests.training.tiny_runs import CONFIGS, CPU, StopAfter, new_run
from training.balance import diversity, diversity_of_real
from training.batches import Batches
from training.checkpoint import load_checkpoint
from training.data import DataSet
from training.finish import best_generator
from training.gan import Gan
from training.interrupts import StopRequest
from training.loop import SHEET_IMAGES, train
from training.measure import FixedLatents, measure_snapshot
from training.pixels import normalise

UNGOVERNED = {"generator_pace": 0, "discriminator_pace": 0, "bfloat16": False}
# Nine steps, a milestone after every second one; an epoch ends with a smaller batch, the seventh.
SHORT = CONFIGS["default"].with_options(
    UNGOVERNED | {"images": 1024, "milestone_images": 256, "batch_size": 128, "log_steps": 1, "detector_images": 0}
)
FEW = 840


@pytest.fixture(scope="module")
def data(small_digits: DataSet) -> DataSet:
    """Few enough images that a short run is longer than an epoch."""
    return replace(small_digits, fit=small_digits.fit[:FEW])


def cosine(end: float, progress: float) -> float:
    return end + (1 - end) * (1 + math.cos(math.pi * progress)) / 2


def by_hand(config: Any, data: DataSet) -> tuple[Gan, dict[int, dict[str, Any]]]:
    """The pair after the run, and what there is to see after each step, by the images seen."""
    gan, rng = Gan(config, CPU), torch.Generator().manual_seed(config.seed)
    batches, seen, moments = Batches(len(data.fit), 128, config.seed), 0, {}
    fixed = FixedLatents(config, SHEET_IMAGES, CPU)
    real = normalise(data.fit.images, config.pixel_mean, config.pixel_std)
    while seen < config.images:
        rows = batches.at(seen)
        latents = torch.randn(len(rows), config.latent_size, generator=rng)
        fresh = torch.randn(len(rows), config.latent_size, generator=rng) if config.fresh_latents else None
        gan.set_learning_rates(
            cosine(config.generator_lr_end, seen / config.images),
            cosine(config.discriminator_lr_end, seen / config.images),
        )
        values = gan.step(data.fit.images[rows], data.fit.labels[rows], latents, fresh)
        seen += len(rows)
        gan.update_ema(len(rows), seen)
        # Of the generator in training: the average would tell of a collapse too late.
        made = diversity(fixed.images(gan.generator), config.classes)
        values["diversity"] = torch.tensor(made / diversity_of_real(real, data.fit.labels, config.classes))
        values["g_gradient_norm"] = gan.generator_gradient_norm()
        told = {name: value.item() for name, value in values.items()}
        moments[seen] = {"told": told, "ema": copy.deepcopy(gan.ema.state_dict())}
    return gan, moments


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(weight, second[name]) for name, weight in first.items())


@pytest.mark.parametrize("options", [{}, {"fresh_latents": True, "seed": 3}], ids=["default", "new latents"])
def test_a_run_is_its_steps_one_after_another(options: dict[str, object], data: DataSet, tmp_path: Path) -> None:
    config = SHORT.with_options(options | {"milestone_images": 128})
    run = new_run(config)
    gan = train(run, data, tmp_path, CPU, StopRequest(), lambda _: None)
    assert gan is not None
    ours, moments = by_hand(config, data)
    for network in ("generator", "discriminator", "ema"):
        assert same(getattr(gan, network).state_dict(), getattr(ours, network).state_dict()), network
    for entry in entries(tmp_path):
        if "d_loss" in entry:
            told = moments[entry["images"]]["told"]
            assert {name: entry[name] for name in told} == pytest.approx(told, rel=1e-6)
            assert (entry["g_rate"], entry["d_rate"]) == (1, 1)
    assert [entry["images"] for entry in entries(tmp_path) if "d_loss" in entry] == list(moments)

    # At the first milestone that is a quarter of the way or more, at the half, at three quarters; never the end.
    assert [snapshot["images_seen"] for snapshot in run.snapshots] == [256, 512, 768]
    for snapshot in run.snapshots:
        assert same(snapshot["generator"], moments[snapshot["images_seen"]]["ema"])
    assert load_checkpoint(tmp_path).images_seen == run.images_seen == list(moments)[-1]


def test_rates_are_the_configs_by_the_schedules_by_the_governors(data: DataSet, tmp_path: Path) -> None:
    config = SHORT.with_options({"generator_lr": 1e-3, "discriminator_lr": 2e-3})
    run = new_run(config)
    assert train(run, data, tmp_path, CPU, StopAfter(2), lambda _: None) is None
    state = load_checkpoint(tmp_path)
    assert state.governor is not None
    state.governor["rates"] = {"generator": 0.5, "discriminator": 0.25}
    train(state, data, tmp_path, CPU, StopRequest(), lambda _: None)
    assert state.gan is not None
    last = list(by_hand(config, data)[1])[-2] / 1024  # the progress when the last step is made
    (generator,) = state.gan["generator_optimizer"]["param_groups"]
    (discriminator,) = state.gan["discriminator_optimizer"]["param_groups"]
    assert generator["lr"] == pytest.approx(1e-3 * 0.5 * cosine(config.generator_lr_end, last))
    assert discriminator["lr"] == pytest.approx(2e-3 * 0.25 * cosine(config.discriminator_lr_end, last))
    told = [entry for entry in entries(tmp_path) if "d_loss" in entry][-1]
    assert (told["g_rate"], told["d_rate"]) == (0.5, 0.25)


def test_a_pace_is_judged_by_what_the_schedule_made_of_its_rate(data: DataSet, tmp_path: Path) -> None:
    """A rate that is next to nothing at the second look, after ten of twelve steps."""
    paces = {}
    for end in (1.0, 0.0):
        options = {"generator_pace": 0.05, "discriminator_pace": 0.1, "generator_lr_end": end, "images": 1408}
        folder = tmp_path / str(end)
        train(new_run(SHORT.with_options(options)), data, folder, CPU, StopRequest(), lambda _: None)
        readings = [entry["generator_pace"] for entry in entries(folder) if "d_loss" in entry]
        assert len(readings) == 12
        paces[end] = 5 * (readings[-1] - 0.8 * readings[0])  # of the second look alone
    assert paces[0.0] == pytest.approx(paces[1.0], rel=0.5)


@pytest.mark.parametrize(("first_distance", "first_is_best"), [(0.0, True), (math.inf, False)])
def test_the_best_snapshot_is_the_one_nearest_to_the_held_out_digits(
    first_distance: float, first_is_best: bool, data: DataSet, tmp_path: Path
) -> None:
    """The distance of the first one is set by hand, so that it is the best, or none of the later ones is worse."""
    run = new_run(SHORT)
    train(run, data, tmp_path, CPU, StopAfter(3), lambda _: None)
    run = load_checkpoint(tmp_path)
    assert run.best is not None
    assert run.best["images_seen"] == 256
    run.best["frechet_distance"] = first_distance
    gan = train(run, data, tmp_path, CPU, StopRequest(), lambda _: None)
    assert gan is not None

    measured = {entry["images"]: entry for entry in entries(tmp_path) if "frechet_distance" in entry}
    assert list(measured) == [256, 512, 768, 1096]  # every milestone and the end
    candidates = {images: entry["frechet_distance"] for images, entry in measured.items() if images > 256}
    best = 256 if first_is_best else min(candidates, key=candidates.__getitem__)
    assert run.best["images_seen"] == best
    # Its weights are those that were measured, and that was on the held-out digits.
    reference = Reference.of(data.held_out.images, data.fit.images)
    figures = measure_snapshot(best_generator(run, gan), SHORT, reference)
    assert figures == {name: measured[best][name] for name in figures}


def test_without_measurements_the_last_average_is_taken(data: DataSet, tmp_path: Path) -> None:
    run = new_run(SHORT.with_options({"measure_milestones": 0}))
    gan = train(run, data, tmp_path, CPU, StopRequest(), lambda _: None)
    assert gan is not None
    assert run.best is None
    generator = best_generator(run, gan)
    assert same(generator.state_dict(), gan.ema.state_dict())
    assert not generator.training
    assert generator is not gan.ema
    assert not [entry for entry in entries(tmp_path) if "frechet_distance" in entry]


def test_who_watches_sees_the_start_and_every_step_and_changes_nothing(data: DataSet, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    watched, alone = new_run(SHORT), new_run(SHORT)
    train(
        watched,
        data,
        tmp_path / "watched",
        CPU,
        StopRequest(),
        lambda _: None,
        watch=lambda gan, images_seen: seen.append((gan.steps, images_seen)),
    )
    train(alone, data, tmp_path / "alone", CPU, StopRequest(), lambda _: None)
    assert seen == list(enumerate([0, *by_hand(SHORT, data)[1]]))
    assert watched.gan is not None
    assert alone.gan is not None
    assert same(watched.gan["generator"], alone.gan["generator"])
