"""A model's session: batches in buckets give what the rows alone give."""

from pathlib import Path

import numpy as np
import pytest

from serving.device import CPU
from serving.latents import latents
from serving.runner import Runner, power_of_two_buckets

LATENT_SIZE = 50


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    return {"z": latents(5, 0, 70, LATENT_SIZE), "digit": np.arange(70).reshape(-1, 1) % 10}


def test_padding_up_to_a_bucket_changes_no_row(model_repository: Path, rows: dict[str, np.ndarray]) -> None:
    path = model_repository / "generator/1/model.onnx"
    plain, bucketed = Runner(path, CPU, 1), Runner(path, CPU, 1, [1, 8, 64])
    whole = plain.run(rows)["images"]
    for start, count in ((0, 1), (1, 2), (3, 7), (10, 8), (20, 9), (0, 64), (0, 70)):  # 70 is beyond all buckets
        part = {name: array[start : start + count] for name, array in rows.items()}
        images = bucketed.run(part)["images"]
        assert np.array_equal(images, whole[start : start + count])


def test_model_sees_no_other_size_than_its_buckets(model_repository: Path) -> None:
    runner = Runner(model_repository / "discriminator/1/model.onnx", CPU, 1, [4, 16])
    seen = []

    class Session:
        """Notes the batch sizes on their way to the session."""

        def __init__(self, session: object) -> None:
            self.run_session = session.run  # type: ignore[attr-defined]

        def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            seen.append(len(inputs["images"]))
            return self.run_session(outputs, inputs)

    runner.session = Session(runner.session)
    for count in (1, 3, 4, 5, 16):
        assert len(runner.run({"images": np.zeros((count, 28, 28), np.uint8)})["logit"]) == count
    assert seen == [4, 4, 4, 16, 16]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_pixels_do_not_depend_on_threads_or_batch(
    threads: int, model_repository: Path, classless_repository: Path, rows: dict[str, np.ndarray]
) -> None:
    for repository, inputs in ((model_repository, rows), (classless_repository, {"z": rows["z"]})):
        path = repository / "generator/1/model.onnx"
        whole = Runner(path, CPU, 1).run(inputs)["images"]
        runner = Runner(path, CPU, threads)
        for size in (1, 2, 5, 16, 33, 70):
            for start in range(0, 70 - size + 1, size):
                part = {name: array[start : start + size] for name, array in inputs.items()}
                assert np.array_equal(runner.run(part)["images"], whole[start : start + size])


@pytest.mark.parametrize(
    ("largest", "buckets"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (100, [1, 2, 4, 8, 16, 32, 64, 100])],
)
def test_buckets_double_up_to_the_largest(largest: int, buckets: list[int]) -> None:
    assert power_of_two_buckets(largest) == buckets
