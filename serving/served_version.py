"""One version of the models, loaded: its generator and its discriminator, each behind a batcher."""

import asyncio
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.batcher import Batcher
from serving.latents import latents
from serving.model_repository import DISCRIMINATOR, GENERATOR, ModelMetadata, RepositoryError, model_path
from serving.runner import DeviceError, Runner
from serving.settings import Settings

FEW_IMAGES = 128
INPUTS = {DISCRIMINATOR: ["images"]}
OUTPUTS = {GENERATOR: ["images"], DISCRIMINATOR: ["logit", "real_probability"]}


class ServedVersion:
    """A pair of models from one training run. Make it within a running event loop.

    Args:
        repository: The model repository.
        number: The version's number.
        provider: Where to run it.
        settings: Threads and the batchers' limits.

    Raises:
        RepositoryError: The files cannot be run, are not a pair, or not with the inputs and outputs of the contract.
        DeviceError: They cannot be run there.
    """

    def __init__(self, repository: Path, number: int, provider: str, settings: Settings) -> None:
        paths = {model: model_path(repository, model, number) for model in (GENERATOR, DISCRIMINATOR)}
        runners = {model: _load(path, provider, settings.threads) for model, path in paths.items()}
        metadata = {model: ModelMetadata.read(runners[model].properties, paths[model]) for model in paths}
        self.number = number
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
            self._warm_up(model, runner, paths[model])
        self._generator, self._discriminator = (
            Batcher(runners[model].run, settings.max_batch_rows, settings.max_queue_rows, settings.max_delay_ms / 1000)
            for model in (GENERATOR, DISCRIMINATOR)
        )

    async def generate(
        self, seed: int, offset: int, digits: NDArray[np.int64] | None, count: int, deadline: float | None
    ) -> NDArray[np.uint8]:
        """Images `offset` to `offset + count - 1` of a seed's stream, of these classes: uint8[count, 28, 28]."""
        # A few latents take less time than a thread; many would hold up every other call.
        draw = partial(latents, seed, offset, count, self.metadata.latent_size)
        rows: dict[str, np.ndarray] = {"z": draw() if count <= FEW_IMAGES else await asyncio.to_thread(draw)}
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

    def _warm_up(self, model: str, runner: Runner, path: Path) -> None:
        """A first run, which is slower than those to come; it also tells whether the latent size is the right one."""
        try:
            runner.run(self._warm_up_rows(model))
        except Exception as error:  # ONNX Runtime's classes have no narrower base
            raise RepositoryError(f"{path} cannot be run: {error}") from error

    def _warm_up_rows(self, model: str) -> dict[str, np.ndarray]:
        if model == DISCRIMINATOR:
            return {"images": np.zeros((1, 28, 28), np.uint8)}
        z = latents(0, 0, 1, self.metadata.latent_size)
        return {"z": z, "digit": np.zeros((1, 1), np.int64)} if self.metadata.classes else {"z": z}


def _load(path: Path, provider: str, threads: int) -> Runner:
    try:
        return Runner(path, provider, threads)
    except DeviceError:
        raise
    except Exception as error:  # ONNX Runtime's classes have no narrower base
        raise RepositoryError(f"{path} cannot be loaded: {error}") from error
