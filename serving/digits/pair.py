"""One version of the models, loaded: its generator and its discriminator, each behind a batcher."""

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitforge.latents import normals, random_words
from digitforge.machine.processor import kind_of_processor
from serving.digits.verdicts import Seen, Thresholds
from serving.engine.batcher import Batcher
from serving.engine.device import CPU, CUDA, DeviceError
from serving.engine.fair_queue import Room, Rows
from serving.engine.observer import Observer, Unobserved
from serving.engine.runner import Runner, power_of_two_buckets
from serving.engine.warm_up import agreeing_sizes, rows_within
from serving.repository.model_repository import (
    DISCRIMINATOR,
    FP32,
    GENERATOR,
    ModelMetadata,
    RepositoryError,
    model_path,
)
from serving.settings import Settings

log = logging.getLogger(__name__)
Observe = Callable[[str, int], Observer]
"""Makes the observer of a model, by its name and version."""
INPUTS = {DISCRIMINATOR: ["images"]}
OUTPUTS = {GENERATOR: {"images"}, DISCRIMINATOR: {"logit", "real_probability"}}
# Of a discriminator's outputs, what a verdict is made of; what it tells beside the first is further outputs.
REAL, DIGITS, ONE_DIGIT = SEEN = ("real_probability", "digit_probabilities", "one_digit_probability")
INLINE_S = 0.002  # so long a batch may hold up the event loop, instead of being handed to a thread and back


class Pair:
    """A pair of models from one training run. Make it within a running event loop.

    Args:
        repository: The model repository.
        number: The version's number.
        provider: Where to run it.
        threads: Of one inference on the CPU.
        settings: Which variant, and the batchers' limits.
        observe: Who is told of each model's requests.

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
        paths = {model: model_path(repository, model, number, settings.variant) for model in (GENERATOR, DISCRIMINATOR)}
        buckets = power_of_two_buckets(settings.max_batch_rows) if provider == CUDA else []
        runners = {model: _load(path, provider, threads, buckets, provider == CUDA) for model, path in paths.items()}
        metadata = {model: ModelMetadata.read(runners[model].properties, paths[model]) for model in paths}
        self.number = number
        self._repository = repository
        self.variant = settings.variant
        self.provider = runners[GENERATOR].provider
        self.metadata = metadata[GENERATOR]
        if self.metadata.run_id != metadata[DISCRIMINATOR].run_id:
            raise RepositoryError(
                f"version {number} of {repository} is no pair: its generator is of run {self.metadata.run_id}, "
                f"its discriminator of run {metadata[DISCRIMINATOR].run_id}"
            )
        self.thresholds = Thresholds(metadata[DISCRIMINATOR].threshold, metadata[DISCRIMINATOR].one_digit_threshold)
        with paths[GENERATOR].open("rb") as file:
            self.generator_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        inputs = INPUTS | {GENERATOR: ["z", "digit"] if self.metadata.classes else ["z"]}
        for model, runner in runners.items():
            if runner.inputs != inputs[model] or not OUTPUTS[model].issubset(runner.outputs):
                raise RepositoryError(
                    f"{paths[model]}: expected inputs {inputs[model]} and outputs {sorted(OUTPUTS[model])}, "
                    f"found {runner.inputs} and {runner.outputs}"
                )
        self._seen = [name for name in SEEN if name in runners[DISCRIMINATOR].outputs]
        self._runners = runners
        self._threads: list[ThreadPoolExecutor] = []
        self._paths = paths
        self._observe = observe
        self._generator = self._batcher(GENERATOR, self._run_generator, self._generator_rows, settings)
        self._discriminator = self._batcher(DISCRIMINATOR, self._run_discriminator, _discriminator_rows, settings)

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

    async def generate(
        self, seed: int, offset: int, digits: NDArray[np.int64] | None, count: int, deadline: float | None
    ) -> NDArray[np.uint8]:
        """Images `offset` to `offset + count - 1` of a seed's stream, of these classes: uint8[count, 28, 28]."""
        rows = image_rows(seed, offset, count)
        if digits is not None:
            rows["digit"] = digits.reshape(count, 1)
        return (await self._generator.submit(rows, deadline))["images"]

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
        await self._generator.close()
        await self._discriminator.close()
        for thread in self._threads:
            thread.shutdown()

    def _run_generator(self, rows: Rows) -> Rows:
        """A batch of images that are named by seed and index, and their classes where the model has them, to images."""
        inputs = {"z": normals(_words(rows, self.metadata.latent_size), self.metadata.latent_size)}
        return self._runners[GENERATOR].run(inputs | {name: rows[name] for name in rows if name == "digit"})

    def _run_discriminator(self, rows: Rows) -> Rows:
        """A batch of images to what is seen in them, side by side: each output would cost every caller a slice."""
        found = self._runners[DISCRIMINATOR].run(rows)
        return {"seen": np.concatenate([found[name] for name in self._seen], axis=1)}

    def _generator_rows(self, count: int) -> Rows:
        rows = image_rows(0, 0, count)
        if self.metadata.classes:
            rows["digit"] = np.arange(count).reshape(count, 1) % self.metadata.classes
        return rows

    def _batcher(
        self, model: str, run: Callable[[Rows], Rows], rows_of: Callable[[int], Rows], settings: Settings
    ) -> Batcher:
        """A batcher of a model that is warm; the first run also tells whether the latent size is the right one."""
        thread = ThreadPoolExecutor(1, thread_name_prefix=model)  # warmed up in, since CUDA graphs belong to a thread
        try:
            inline = thread.submit(self._warm_up, model, run, rows_of, settings.max_batch_rows).result()
        except Exception as error:  # ONNX Runtime's classes have no narrower base
            thread.shutdown()
            raise RepositoryError(f"{self._paths[model]} cannot be run: {error}") from error
        self._threads.append(thread)
        delay_s = settings.max_delay_ms / 1000
        observer = self._observe(model, self.number)
        return Batcher(run, settings.max_batch_rows, Room(settings.max_queue_rows), delay_s, inline, thread, observer)

    def _warm_up(
        self, model: str, run: Callable[[Rows], Rows], rows_of: Callable[[int], Rows], max_batch_rows: int
    ) -> int:
        """A model's first runs, in all its buckets; how many rows may run in the event loop's own thread."""
        runner = self._runners[model]
        if not runner.buckets:
            run(rows_of(1))
            return rows_within(run, rows_of, INLINE_S, max_batch_rows)
        buckets = runner.buckets
        runner.keep_buckets(agreeing_sizes(run, rows_of(max_batch_rows), buckets))
        if dropped := sorted(set(buckets) - set(runner.buckets)):
            log.warning(
                "%s: batches of %s rows would differ from larger ones by some bits here, and are padded up to a size "
                "that does not",
                self._paths[model],
                ", ".join(map(str, dropped)),
            )
        return 0  # on a GPU, any batch is better waited for in a thread


def image_rows(seed: int, offset: int, count: int) -> dict[str, np.ndarray]:
    """Images `offset` to `offset + count - 1` of a seed's stream, by name.

    Their random words are drawn with the batch that they go into: those of thousands would hold up the event loop.
    """
    return {
        "seed": np.full(count, seed, np.uint64),
        "index": np.arange(count, dtype=np.uint64) + np.uint64(offset),
    }


def _words(rows: Rows, latent_size: int) -> NDArray[np.uint64]:
    """The random words of a batch of images, of those in a row at once."""
    seed, index = rows["seed"], rows["index"]
    is_next = (seed[1:] == seed[:-1]) & (index[1:] == index[:-1] + np.uint64(1)) & (index[1:] != 0)
    bounds = [0, *(np.flatnonzero(~is_next) + 1).tolist(), len(seed)]
    parts = [
        random_words(int(seed[start]), int(index[start]), stop - start, latent_size) for start, stop in pairwise(bounds)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _discriminator_rows(count: int) -> Rows:
    return {"images": np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)}


def _load(path: Path, provider: str, threads: int, buckets: list[int], graphs: bool) -> Runner:
    try:
        return Runner(path, provider, threads, buckets, graphs)
    except DeviceError:
        raise
    except Exception as error:  # ONNX Runtime's classes have no narrower base
        raise RepositoryError(f"{path} cannot be loaded: {error}") from error
