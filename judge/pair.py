"""The pair that is evaluated, wherever it comes from: a run, finished or in progress, or a model repository."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evaluation.detector_quality import Scores, Thresholds
from export.graphs import build_discriminator_graph, build_generator_graph
from export.signature import discriminator_tensors
from serving.engine.device import CPU
from serving.engine.runner import Runner
from serving.repository.model_repository import (
    DISCRIMINATOR,
    GENERATOR,
    MODEL_FILE,
    ModelMetadata,
    RepositoryError,
    choose_versions,
    complete_versions,
    model_path,
)
from training.checkpoint import NAME as CHECKPOINT
from training.checkpoint import CheckpointError, load_checkpoint
from training.config import CLASSES
from training.measure import SEED

CHUNK = 1000  # images at a time


class NothingToEvaluateError(Exception):
    """A path that leads to no run and no model repository, or to a run without a generator yet."""


@dataclass(frozen=True)
class EvaluatedPair:
    """A generator and, where there is one, its detector.

    Attributes:
        name: Of the pair, fit for a folder.
        about: What it is, for the report.
        dataset: The data set that it was trained on.
        latent_size: Normals in a latent vector.
        classes: Number of classes, 0 for a generator without.
        run_folder: The run's, or None for a model repository.
        generate: Latents float32[batch, latent] and classes int64[batch, 1] (or None) to uint8[batch, 28, 28].
        score: Images uint8[batch, 28, 28] to the outputs of `discriminator_tensors`, in its order: the logits that they
            are real, the probabilities, and what else the detector tells. None for a run in progress, which has none.
        thresholds: From where an image is called real.
    """

    name: str
    about: dict[str, Any]
    dataset: str
    latent_size: int
    classes: int
    run_folder: Path | None
    generate: Callable[[Tensor, Tensor | None], Tensor]
    score: Callable[[Tensor], tuple[Tensor, ...]] | None
    thresholds: Thresholds

    @torch.inference_mode()
    def images(self, count: int, seed: int = SEED) -> tuple[Tensor, Tensor | None]:
        """Generated images uint8[count, 28, 28] and the classes asked for, int64[count]: 0 to 9 in turn.

        The latents are those that a run is measured with, so the figures are the ones in its checkpoint.
        """
        latents = torch.randn(count, self.latent_size, generator=torch.Generator().manual_seed(seed))
        asked = torch.arange(count) % self.classes if self.classes else None
        images = [
            self.generate(latents[part], asked[part].unsqueeze(1) if asked is not None else None)
            for part in (slice(start, start + CHUNK) for start in range(0, count, CHUNK))
        ]
        return torch.cat(images), asked

    @torch.inference_mode()
    def scores(self, images: Tensor) -> Scores:
        """What the detector says of images uint8[count, 28, 28]."""
        if self.score is None:
            raise ValueError(f"{self.name} has no detector")
        columns = zip(*(self.score(part) for part in images.split(CHUNK)), strict=True)
        logits, _, *more = (torch.cat(column) for column in columns)
        if not more:
            return Scores(logits.flatten())
        digits, one_digit = more
        return Scores(logits.flatten(), one_digit.flatten(), digits.argmax(dim=1))

    def logits(self, images: Tensor) -> Tensor:
        """The logits that they are real, float32[count]."""
        return self.scores(images).real


def open_pair(where: str) -> EvaluatedPair:
    """Find what a path leads to.

    Args:
        where: A run's folder or its checkpoint; a model repository, `models`, a version of it, `models@N`, or a
            version's folder, `models/generator/N`.

    Raises:
        NothingToEvaluateError: It leads to none of them, or to a run that has not begun.
        CheckpointError: The run's checkpoint cannot be read.
        RepositoryError: The version is not there, or its models are not what they should be.
    """
    path = Path(where)
    if path.name == CHECKPOINT:
        path = path.parent
    if (path / CHECKPOINT).is_file():
        return pair_of_run(path)
    if path.name == MODEL_FILE:
        path = path.parent
    if path.parent.name in (GENERATOR, DISCRIMINATOR) and path.name.isdecimal():
        return pair_of_repository(path.parent.parent, int(path.name))
    repository, _, version = where.rpartition("@")
    if not path.exists() and repository and version.isdecimal():
        return pair_of_repository(Path(repository), int(version))
    if complete_versions(path):
        return pair_of_repository(path, None)
    if not path.exists():
        raise NothingToEvaluateError(f"{where} does not exist")
    raise NothingToEvaluateError(
        f"{where} is neither a run (it has no {CHECKPOINT}) nor a model repository (it has no complete version)"
    )


def pair_of_run(folder: Path) -> EvaluatedPair:
    """The pair of a run, as it would be exported; of a run in progress its generator so far."""
    run = load_checkpoint(folder)
    finished = run.finished
    if not finished:
        if run.gan is None:
            raise NothingToEvaluateError(f"{folder} has no generator yet: its run has not saved a step")
        run = dataclasses.replace(run, generator=run.gan["ema"])
    try:
        generator = build_generator_graph(run)
        discriminator = build_discriminator_graph(run) if finished else None
    except RuntimeError as error:  # load_state_dict, where weights and config do not go together
        raise CheckpointError(f"{folder / CHECKPOINT} holds other weights than its config says: {error}") from error
    return EvaluatedPair(
        name=folder.resolve().name,
        about={
            "kind": "run" if finished else "run in progress",
            "path": str(folder),
            "run_id": run.run_id,
            "preset": run.config.preset,
            "images_seen": run.images_seen,
            "training_commit": run.source_commit,
        },
        dataset=run.dataset,
        latent_size=run.config.latent_size,
        classes=run.config.classes,
        run_folder=folder,
        generate=generator,
        score=discriminator,
        thresholds=Thresholds(run.threshold, run.one_digit_threshold),
    )


def pair_of_repository(repository: Path, version: int | None) -> EvaluatedPair:
    """A version of a model repository, or its newest, on ONNX Runtime on the CPU: as it is served."""
    if not complete_versions(repository):
        raise RepositoryError(f"{repository} is no model repository: it has no complete version")
    [number] = choose_versions(repository, [version] if version is not None else [])
    runners, metadata = {}, {}
    for model in (GENERATOR, DISCRIMINATOR):
        path = model_path(repository, model, number)
        try:
            runners[model] = Runner(path, CPU, torch.get_num_threads())
        except Exception as error:  # ONNX Runtime's classes have no narrower base
            raise RepositoryError(f"{path} cannot be loaded: {error}") from error
        metadata[model] = ModelMetadata.read(runners[model].properties, path)
    properties = metadata[GENERATOR]

    def generate(z: Tensor, digit: Tensor | None) -> Tensor:
        rows: dict[str, np.ndarray] = {"z": z.numpy()}
        if digit is not None:
            rows["digit"] = digit.numpy()
        return torch.from_numpy(runners[GENERATOR].run(rows)["images"])

    def score(images: Tensor) -> tuple[Tensor, ...]:
        outputs = runners[DISCRIMINATOR].run({"images": images.numpy()})
        names = discriminator_tensors(CLASSES).outputs
        return tuple(torch.from_numpy(outputs[name]) for name in names if name in outputs)

    return EvaluatedPair(
        name=f"{repository.resolve().name}-{number}",
        about={
            "kind": "model repository",
            "path": str(repository),
            "version": number,
            "run_id": properties.run_id,
        },
        dataset=properties.dataset,
        latent_size=properties.latent_size,
        classes=properties.classes,
        run_folder=None,
        generate=generate,
        score=score,
        thresholds=Thresholds(metadata[DISCRIMINATOR].threshold, metadata[DISCRIMINATOR].one_digit_threshold),
    )
