"""What only a CUDA GPU can show; skipped elsewhere. On the CPU the same code is tested by `test_bound_runs.py`,
`test_runner.py` and `test_served_version.py`.
"""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from digitforge.latents import latents
from protos.digits.v1 import digits_pb2, digits_pb2_grpc
from serving.engine.device import CPU, CUDA, DeviceError, pick_provider
from serving.engine.fair_queue import Rows
from serving.engine.runner import Runner, power_of_two_buckets
from serving.engine.warm_up import agreeing_sizes

ROOT = Path(__file__).parents[3]
DEVICE = "cuda"
LARGEST = 64
PATIENCE_S = 60


@pytest.fixture(scope="module", autouse=True)
def provider() -> str:
    try:
        return pick_provider(DEVICE)
    except DeviceError as error:
        pytest.skip(f"needs a CUDA GPU: {error}")


@pytest.fixture(params=["generator", "discriminator"])
def model(request: pytest.FixtureRequest, model_repository: Path) -> tuple[Path, Rows]:
    """A model's file, and as many rows for it as the largest bucket has."""
    path = model_repository / request.param / "1/model.onnx"
    if request.param == "discriminator":
        return path, {"images": np.random.default_rng(0).integers(0, 256, (LARGEST, 28, 28), np.uint8)}
    return path, {"z": latents(5, 0, LARGEST, 50), "digit": np.arange(LARGEST).reshape(LARGEST, 1) % 10}


@pytest.fixture
def warm(provider: str, model: tuple[Path, Rows]) -> Callable[..., Runner]:
    """Makes a runner of the model as the server does: warm, with those buckets in which rows agree."""
    path, rows = model

    def make(graphs: bool) -> Runner:
        runner = Runner(path, provider, 1, power_of_two_buckets(LARGEST), graphs)
        runner.keep_buckets(agreeing_sizes(runner.run, rows, runner.buckets))
        return runner

    return make


def part_of(rows: Rows, start: int, count: int) -> Rows:
    return {name: array[start : start + count] for name, array in rows.items()}


@pytest.mark.parametrize("graphs", [False, True])
def test_rows_are_the_same_bytes_at_every_size_place_and_padding(
    graphs: bool, warm: Callable[..., Runner], model: tuple[Path, Rows]
) -> None:
    runner, rows = warm(graphs), model[1]
    whole = runner.run(rows)
    for count in range(1, LARGEST + 1):
        for start in {0, 1, (LARGEST - count) // 2, LARGEST - count} & set(range(LARGEST - count + 1)):
            for name, array in runner.run(part_of(rows, start, count)).items():
                assert array.tobytes() == whole[name][start : start + count].tobytes(), (name, start, count)


def test_graphs_change_no_bit(warm: Callable[..., Runner], model: tuple[Path, Rows]) -> None:
    without, by_graphs = warm(False), warm(True)
    for start, count in ((0, LARGEST), (0, 1), (3, 5), (7, 1), (1, 33), (0, LARGEST)):
        part = part_of(model[1], start, count)
        expected = without.run(part)
        for name, array in by_graphs.run(part).items():
            assert array.tobytes() == expected[name].tobytes()


def test_our_models_can_be_captured(warm: Callable[..., Runner], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        runner = warm(True)
    assert runner.graphs
    assert not [record for record in caplog.records if "without CUDA graphs" in record.getMessage()]


def test_every_bucket_is_used(warm: Callable[..., Runner]) -> None:
    """Not a promise, but where it does not hold, small batches cost what the largest does, and the log says so."""
    if (used := warm(True).buckets) != tuple(power_of_two_buckets(LARGEST)):
        pytest.xfail(f"rows agree with the largest batch only in batches of {used}")


def test_pixels_are_the_cpus_within_a_level(warm: Callable[..., Runner], model: tuple[Path, Rows]) -> None:
    path, rows = model
    for name, expected in Runner(path, CPU, 1).run(rows).items():
        found = warm(True).run(rows)[name]
        assert found.dtype == expected.dtype
        tolerance = 1 if name == "images" else 1e-3
        assert np.abs(found.astype(np.float64) - expected).max() <= tolerance


@pytest.fixture
def stub(model_repository: Path, tmp_path: Path) -> Iterator[Any]:
    """A client of a server on the GPU."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGITFORGE_")}
    command = [sys.executable, "-m", "serving", "--port", "0", "--device", DEVICE, "--max-batch-rows", str(LARGEST)]
    command += ["--model-repository", str(model_repository)]
    with (tmp_path / "stderr").open("w") as errors:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert server.stdout
    greeting = []
    for line in server.stdout:
        greeting.append(line)
        if found := re.search(r"serves on (\S+) ", line):
            break
    else:
        raise AssertionError(f"the server ended with {server.wait()}: {(tmp_path / 'stderr').read_text()}")
    assert any(f"on {CUDA}" in line for line in greeting)
    with grpc.insecure_channel(found[1]) as channel:
        yield digits_pb2_grpc.DigitsStub(channel)
    server.terminate()
    assert server.wait(PATIENCE_S) == 0
    server.stdout.close()


def test_generated_images_are_the_same_bytes_in_any_chunks(stub: Any) -> None:
    def generate(start: int, n: int) -> list[bytes]:
        return list(stub.Generate(digits_pb2.GenerateRequest(seed=9, n=n, offset=start), timeout=PATIENCE_S).images)

    whole = generate(0, 500)
    assert len(set(whole)) == 500
    with ThreadPoolExecutor(16) as clients:  # at once, so that they come into each other's batches
        for n in (1, 3, 50, 64, 130):
            starts = range(0, 500, n)
            chunks = clients.map(generate, starts, [min(n, 500 - start) for start in starts])
            assert [image for chunk in chunks for image in chunk] == whole
    stream = stub.GenerateStream(digits_pb2.GenerateRequest(seed=9, n=500), timeout=PATIENCE_S)
    assert [image for chunk in stream for image in chunk.images] == whole
