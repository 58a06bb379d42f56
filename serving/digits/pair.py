"""One version of the digits: a generator and a discriminator that the engine serves, as one training run made them."""

import asyncio
import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitforge.latents import normals, random_words
from digitforge.machine.processor import kind_of_processor
from serving.digits.verdicts import Seen, Thresholds
from serving.engine.device import CPU
from serving.engine.fair_queue import Rows
from serving.engine.observer import Unobserved
from serving.models.loading import Observe, load_model
from serving.repository.model_config import ModelConfig
from serving.repository.model_repository import (
    DISCRIMINATOR,
    FP32,
    GENERATOR,
    PAIR,
    ModelMetadata,
    RepositoryError,
    model_path,
)
from serving.settings import Settings

INPUTS = {DISCRIMINATOR: ["images"]}
OUTPUTS = {GENERATOR: {"images"}, DISCRIMINATOR: {"logit", "real_probability"}}
# Of a discriminator's outputs, what a verdict is made of; what it tells beside the first is further outputs.
REAL, DIGITS, ONE_DIGIT = SEEN = ("real_probability", "digit_probabilities", "one_digit_probability")


class Pair:
    """A pair of models from one training run. Make it within a running event loop.

    Args:
        repository: The model repository.
        number: The version's number.
        provider: Where to run it.
        threads: Of one inference on the CPU.
        settings: Which variant, and the batchers' limits.
        observe: Who is told of each model's requests.

    Attributes:
        models: Both, by their names.

    Raises:
        RepositoryError: The files cannot be run, are not a pair, or not with the inputs and outputs of the contract.
        DeviceError: They cannot be run there.
    """

    def __init__(
        self,
        repository: Path,
        number: int,
        provider: str,
        threads: int,
        settings: Settings,
        observe: Observe = lambda *_: Unobserved(),
    ) -> None:
        models = {
            name: load_model(
                name,
                number,
                model_path(repository, name, number, settings.variant),
                ModelConfig.read(repository / name),
                provider,
                threads,
                settings,
                observe,
            )
            for name in PAIR
        }
        metadata = {name: ModelMetadata.read(model.runner.properties, model.path) for name, model in models.items()}
        self.models = models
        self.number = number
        self._repository = repository
        self.variant = settings.variant
        self.provider = models[GENERATOR].runner.provider
        self.metadata = metadata[GENERATOR]
        if self.metadata.run_id != metadata[DISCRIMINATOR].run_id:
            raise RepositoryError(
                f"version {number} of {repository} is no pair: its generator is of run {self.metadata.run_id}, "
                f"its discriminator of run {metadata[DISCRIMINATOR].run_id}"
            )
        self.thresholds = Thresholds(metadata[DISCRIMINATOR].threshold, metadata[DISCRIMINATOR].one_digit_threshold)
        with models[GENERATOR].path.open("rb") as file:
            self.generator_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        inputs = INPUTS | {GENERATOR: ["z", "digit"] if self.metadata.classes else ["z"]}
        for name, model in models.items():
            if list(model.inputs) != inputs[name] or not OUTPUTS[name].issubset(model.outputs):
                raise RepositoryError(
                    f"{model.path}: expected inputs {inputs[name]} and outputs {sorted(OUTPUTS[name])}, "
                    f"found {list(model.inputs)} and {list(model.outputs)}"
                )
            if not model.max_request_rows:
                raise RepositoryError(f"{model.path} cannot be run in batches: {model.why_one_at_a_time}")
        self._seen = [name for name in SEEN if name in models[DISCRIMINATOR].outputs]
        self._generator = models[GENERATOR].batcher(self._run_generator)
        self._discriminator = models[DISCRIMINATOR].batcher(self._run_discriminator)
        try:  # this also tells whether the latent size is the right one
            models[GENERATOR].call(lambda: self._run_generator(self._one_row()))
        except Exception as error:  # ONNX Runtime's classes have no narrower base
            raise RepositoryError(f"{models[GENERATOR].path} cannot be run: {error}") from error

    def about(self) -> list[str]:
        """Lines for a person: what is served, and a warning where its arithmetic was not verified on such a processor.

        The pair in float32 needs none: on another kind of processor a pixel may differ by a level.
        """
        variant = "" if self.variant == FP32 else f", variant {self.variant}"
        lines = [
            f"version {self.number} of {self._repository}: run {self.metadata.run_id}, trained on "
            f"{self.metadata.dataset}, {'class-conditional' if self.metadata.classes else 'without classes'}, "
            f"on {self.provider}{variant}"
        ]
        verified_on, here = self.metadata.verified_on or "no kind of processor that it names", kind_of_processor()
        if variant and self.provider == CPU and verified_on != here:
            lines.append(
                f"warning: variant {self.variant} of version {self.number} was verified on {verified_on}, and this is "
                f"{here}: its pixels and scores may be worth less here than its metadata says"
            )
        return lines

    def generate(
        self, seed: int, offset: int, digits: NDArray[np.int64] | None, count: int, deadline: float | None
    ) -> asyncio.Future[Rows]:
        """`images` uint8[count, 28, 28], `offset` to `offset + count - 1` of a seed's stream, of these classes.

        See `Batcher.submit`, also for what is raised.
        """
        rows = image_rows(seed, offset, count)
        if digits is not None:
            rows["digit"] = digits.reshape(count, 1)
        return self._generator.submit(rows, deadline)

    async def see(self, image: NDArray[np.uint8], deadline: float | None) -> Seen:
        """The discriminator's answer for one image uint8[28, 28]."""
        answer = await self._discriminator.submit({"images": image[np.newaxis]}, deadline)
        real, *told = answer["seen"][0].tolist()
        one_digit = told.pop() if ONE_DIGIT in self._seen else None
        if not told:
            return Seen(real, one_digit_probability=one_digit)
        most = max(told)
        return Seen(real, told.index(most), most, one_digit)

    async def close(self) -> None:
        """Answer what waits, then stop."""
        for model in self.models.values():
            await model.close()

    def _run_generator(self, rows: Rows) -> Rows:
        """A batch of images that are named by seed and index, and their classes where the model has them, to images."""
        inputs = {"z": normals(_words(rows["name"], self.metadata.latent_size), self.metadata.latent_size)}
        return self.models[GENERATOR].runner.run(inputs | {name: rows[name] for name in rows if name == "digit"})

    def _run_discriminator(self, rows: Rows) -> Rows:
        """A batch of images to what is seen in them, side by side: each output would cost every caller a slice."""
        found = self.models[DISCRIMINATOR].runner.run(rows)
        return {"seen": np.concatenate([found[name] for name in self._seen], axis=1)}

    def _one_row(self) -> Rows:
        return image_rows(0, 0, 1) | ({"digit": np.zeros((1, 1), np.int64)} if self.metadata.classes else {})


def image_rows(seed: int, offset: int, count: int) -> dict[str, np.ndarray]:
    """Images `offset` to `offset + count - 1` of a seed's stream, by name: uint64[count, 2], seed and index.

    Their random words are drawn with the batch that they go into: those of thousands would hold up the event loop.
    """
    if count == 1:  # most calls: a third of what an array for many takes
        return {"name": np.array([(seed, offset)], np.uint64)}
    name = np.empty((count, 2), np.uint64)
    name[:, 0] = seed
    name[:, 1] = np.arange(count, dtype=np.uint64) + np.uint64(offset)
    return {"name": name}


def _words(name: NDArray[np.uint64], latent_size: int) -> NDArray[np.uint64]:
    """The random words of a batch of images, of those in a row at once: uint64[count, 2] -> uint64[count, 4B]."""
    if len(name) == 1:
        ((seed, index),) = name.tolist()
        return random_words(seed, index, 1, latent_size)
    seeds, indices = name[:, 0], name[:, 1]
    is_next = (seeds[1:] == seeds[:-1]) & (indices[1:] == indices[:-1] + np.uint64(1)) & (indices[1:] != 0)
    bounds = [0, *(np.flatnonzero(~is_next) + 1).tolist(), len(name)]
    parts = [
        random_words(seed, index, stop - start, latent_size)
        for (seed, index), (start, stop) in zip(name[bounds[:-1]].tolist(), pairwise(bounds), strict=True)
    ]
    return np.concatenate(parts)
