"""A model's session: batches in buckets give what the rows alone give, and no graph is no failure."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitforge.latents import latents
from digitforge.machine.onnx_runtime import onnxruntime
from serving.engine.device import CPU, CUDA, DeviceError
from serving.engine.runner import Runner, power_of_two_buckets

LATENT_SIZE = 50


@pytest.fixture(scope="module")
def rows() -> dict[str, np.ndarray]:
    return {"z": latents(5, 0, 70, LATENT_SIZE), "digit": np.arange(70).reshape(-1, 1) % 10}


def test_padding_up_to_a_bucket_changes_no_row(model_repository: Path, rows: dict[str, np.ndarray]) -> None:
    path = model_repository / "generator/1/model.onnx"
    plain, bucketed = Runner(path, CPU, 1), Runner(path, CPU, 1, [1, 8, 64])
    assert (plain.buckets, bucketed.buckets) == ((), (1, 8, 64))
    whole = plain.run(rows)["images"]
    for start, count in ((0, 1), (1, 2), (3, 7), (10, 8), (20, 9), (0, 64)):
        part = {name: array[start : start + count] for name, array in rows.items()}
        images = bucketed.run(part)["images"]
        assert np.array_equal(images, whole[start : start + count])


def test_batch_beyond_all_buckets_is_refused(model_repository: Path, rows: dict[str, np.ndarray]) -> None:
    runner = Runner(model_repository / "generator/1/model.onnx", CPU, 1, [1, 8, 64])
    with pytest.raises(ValueError, match="a batch of 70 rows is larger than the largest bucket of 64"):
        runner.run(rows)


def test_model_that_cannot_be_captured_runs_without_graphs_and_says_so_once(
    model_repository: Path,
    rows: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = model_repository / "generator/1/model.onnx"
    run = onnxruntime.InferenceSession.run_with_iobinding

    def run_without_graphs(session: Any, binding: Any, options: Any) -> None:
        if options is not None:
            raise RuntimeError("operation not permitted when stream is capturing")
        run(session, binding, options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", run_without_graphs)
    runner = Runner(path, CPU, 1, [1, 8, 64], graphs=True)
    assert runner.graphs
    whole = Runner(path, CPU, 1).run(rows)["images"]
    with caplog.at_level(logging.WARNING):
        for count in (3, 1, 64):
            part = {name: array[:count] for name, array in rows.items()}
            assert np.array_equal(runner.run(part)["images"], whole[:count])
    assert not runner.graphs
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} runs without CUDA graphs: operation not permitted when stream is capturing"
    ]


def test_model_that_cannot_be_opened_for_graphs_is_opened_without(
    model_repository: Path,
    rows: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = model_repository / "generator/1/model.onnx"
    opening = onnxruntime.InferenceSession.__init__
    refusals = ["This session cannot use the graph capture feature as requested by the user"]

    def open_second(*arguments: Any, **options: Any) -> None:
        if refusals:
            raise RuntimeError(refusals.pop())
        opening(*arguments, **options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "__init__", open_second)
    with caplog.at_level(logging.WARNING):
        runner = Runner(path, CPU, 1, [64, 70], graphs=True)
    assert not runner.graphs
    assert np.array_equal(runner.run(rows)["images"], Runner(path, CPU, 1).run(rows)["images"])
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} runs without CUDA graphs: This session cannot use the graph capture feature as requested by the user"
    ]


def test_file_that_is_no_model_is_not_said_to_lack_graphs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model at all")
    with caplog.at_level(logging.WARNING), pytest.raises(Exception, match="INVALID_PROTOBUF"):
        Runner(path, CPU, 1, [1], graphs=True)
    assert not caplog.records


def test_model_that_onnx_runtime_puts_elsewhere_is_refused(
    model_repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime.InferenceSession, "get_providers", lambda _: [CPU])  # also where there is a GPU
    path = model_repository / "generator/1/model.onnx"
    with pytest.raises(DeviceError, match=f"{path} was to run on {CUDA}, but ONNX Runtime put it on {CPU}"):
        Runner(path, CUDA, 1, [1], graphs=True)


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
