"""One version of the models, loaded: its generator and its discriminator, each behind a batcher."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.batcher import Batcher
from serving.device import CUDA, DeviceError
from serving.fair_queue import Rows
from serving.latents import normals, random_words
from serving.model_repository import DISCRIMINATOR, GENERATOR, ModelMetadata, RepositoryError, model_path
from serving.runner import Runner, power_of_two_buckets
from serving.settings import Settings
from serving.warm_up import rows_within

INPUTS = {DISCRIMINATOR: ["images"]}
OUTPUTS = {GENERATOR: ["images"], DISCRIMINATOR: ["logit", "real_probability"]}
INLINE_S = 0.002  # so long a batch may hold up the event loop, instead of being handed to a thread and back


class ServedVersion:
    """A pair of models from one training run. Make it within a running event loop.

    Args:
        repository: The model repository.
        number: The version's number.
        provider: Where to run it.
        threads: Of one inference on the CPU.
        settings: Which variant, and the batchers' limits.

    Raises:
        RepositoryError: The files cannot be run, are not a pair, or not with the inputs and outputs of the contract.
        DeviceError: They cannot be run there.
    """

    def __init__(self, repository: Path, number: int, provider: str, threads: int, settings: Settings) -> None:
        paths = {model: model_path(repository, model, number, settings.variant) for model in (GENERATOR, DISCRIMINATOR)}
        buckets = power_of_two_buckets(settings.max_batch_rows) if provider == CUDA else []
        runners = {model: _load(path, provider, threads, buckets) for model, path in paths.items()}
        metadata = {model: ModelMetadata.read(runners[model].properties, paths[model]) for model in paths}
        self.number = number
        self.variant = settings.variant
        self.provider = runners[GENERATOR].provider
        self.metadata = metadata[GENERATOR]
        if self.metadata.run_id != metadata[DISCRIMINATOR].run_id:
            raise RepositoryError(
                f"version {number} of {repository} is no pair: its generator is of run {self.metadata.run_id}, "
                f"its discriminator of run {metadata[DISCRIMINATOR].run_id}"
            )
        self.threshold = metadata[DISCRIMINATOR].threshold
        inputs = INPUTS | {GENERATOR: ["z", "digit"] if self.metadata.classes else ["z"]}
        for model, runner in runners.items():
            if (runner.inputs, runner.outputs) != (inputs[model], OUTPUTS[model]):
                raise RepositoryError(
                    f"{paths[model]}: expected inputs {inputs[model]} and outputs {OUTPUTS[model]}, "
                    f"found {runner.inputs} and {runner.outputs}"
                )
        self._runners = runners
        self._generator = self._batcher(self._run_generator, self._generator_rows, paths[GENERATOR], settings)
        self._discriminator = self._batcher(
            runners[DISCRIMINATOR].run, _discriminator_rows, paths[DISCRIMINATOR], settings
        )

    async def generate(
        self, seed: int, offset: int, digits: NDArray[np.int64] | None, count: int, deadline: float | None
    ) -> NDArray[np.uint8]:
        """Images `offset` to `offset + count - 1` of a seed's stream, of these classes: uint8[count, 28, 28]."""
        rows: dict[str, np.ndarray] = {"words": random_words(seed, offset, count, self.metadata.latent_size)}
        if digits is not None:
            rows["digit"] = digits.reshape(count, 1)
        return (await self._generator.submit(rows, deadline))["images"]

    async def real_probability(self, image: NDArray[np.uint8], deadline: float | None) -> float:
        """The discriminator's answer for one image uint8[28, 28]."""
        answer = await self._discriminator.submit({"images": image[np.newaxis]}, deadline)
        return float(answer["real_probability"][0, 0])

    async def close(self) -> None:
        """Answer what waits, then stop."""
        await self._generator.close()
        await self._discriminator.close()

    def _run_generator(self, rows: Rows) -> Rows:
        """A batch of random words, and of classes where the model has them, to images."""
        inputs = {"z": normals(rows["words"], self.metadata.latent_size)}
        return self._runners[GENERATOR].run(inputs | {name: rows[name] for name in rows if name != "words"})

    def _generator_rows(self, count: int) -> Rows:
        words = random_words(0, 0, count, self.metadata.latent_size)
        return {"words": words, "digit": np.zeros((count, 1), np.int64)} if self.metadata.classes else {"words": words}

    def _batcher(
        self, run: Callable[[Rows], Rows], rows_of: Callable[[int], Rows], path: Path, settings: Settings
    ) -> Batcher:
        """A batcher of a model that is warm; the first run also tells whether the latent size is the right one."""
        try:
            for size in self._runners[GENERATOR].buckets or [1]:
                run(rows_of(size))
            # On a GPU, any batch is better waited for in a thread.
            inline = 0 if self.provider == CUDA else rows_within(run, rows_of, INLINE_S, settings.max_batch_rows)
        except Exception as error:  # ONNX Runtime's classes have no narrower base
            raise RepositoryError(f"{path} cannot be run: {error}") from error
        return Batcher(run, settings.max_batch_rows, settings.max_queue_rows, settings.max_delay_ms / 1000, inline)


def _discriminator_rows(count: int) -> Rows:
    return {"images": np.zeros((count, 28, 28), np.uint8)}


def _load(path: Path, provider: str, threads: int, buckets: list[int]) -> Runner:
    try:
        return Runner(path, provider, threads, buckets)
    except DeviceError:
        raise
    except Exception as error:  # ONNX Runtime's classes have no narrower base
        raise RepositoryError(f"{path} cannot be loaded: {error}") from error
