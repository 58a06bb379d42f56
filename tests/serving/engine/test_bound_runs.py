"""Runs from buffers that stay: what a session gives without them, bit by bit, and nothing of earlier batches.

On the CPU; a GPU's part is in `test_gpu.py`.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from digitforge.latents import latents
from digitforge.machine.onnx_runtime import onnxruntime
from serving.engine.bound_runs import BoundRuns, CaptureError
from serving.engine.device import CPU
from serving.engine.fair_queue import Rows
from serving.engine.session import open_session

SIZES = [1, 2, 8, 20]
GRAPHS = pytest.mark.parametrize("graphs", [False, True])  # of which the CPU makes nothing


def slice_of(rows: Rows, start: int, count: int) -> Rows:
    return {name: array[start : start + count] for name, array in rows.items()}


def same(found: Rows, expected: Rows) -> bool:
    return found.keys() == expected.keys() and all(
        (found[name].dtype, found[name].shape, found[name].tobytes()) == (array.dtype, array.shape, array.tobytes())
        for name, array in expected.items()
    )


def plain(session: onnxruntime.InferenceSession, rows: Rows) -> Rows:
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, rows), strict=True))


@pytest.fixture
def crowd(tmp_path: Path) -> onnxruntime.InferenceSession:
    """A model whose rows do see each other: the sum of all of them, and how many there are, for each."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "first"], ["total"], keepdims=1),
        helper.make_node("Shape", ["x"], ["rows"], start=0, end=1),
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "total"], ["sum"]),
        helper.make_node("Concat", ["rows", "one"], ["column"], axis=0),
        helper.make_node("Expand", ["rows", "column"], ["counts"]),
    ]
    constants = [
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0]),
    ]
    graph = helper.make_graph(
        nodes,
        "crowd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("counts", TensorProto.INT64, ["batch", 1]),
        ],
        constants,
    )
    path = tmp_path / "crowd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return open_session(path, CPU, 1)


@pytest.fixture(params=["generator", "discriminator", "classless generator"])
def model(
    request: pytest.FixtureRequest, model_repository: Path, classless_repository: Path
) -> tuple[onnxruntime.InferenceSession, Rows]:
    """A session, and 20 rows for it: float32 and int64 in and uint8 out, or uint8 in and two outputs of float32."""
    if request.param == "discriminator":
        images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
        return open_session(model_repository / "discriminator/1/model.onnx", CPU, 1), {"images": images}
    z = latents(5, 0, 20, 50)
    if request.param == "classless generator":
        return open_session(classless_repository / "generator/1/model.onnx", CPU, 1), {"z": z}
    digit = np.arange(20).reshape(20, 1) % 10
    return open_session(model_repository / "generator/1/model.onnx", CPU, 1), {"z": z, "digit": digit}


@GRAPHS
def test_every_batch_gives_what_the_session_gives(
    graphs: bool, model: tuple[onnxruntime.InferenceSession, Rows]
) -> None:
    session, rows = model
    bound = BoundRuns(session, "cpu", SIZES, graphs)
    for count in (20, *range(1, 21)):
        for start in {0, (20 - count) // 2, 20 - count}:
            part = slice_of(rows, start, count)
            assert same(bound.run(part), plain(session, part))


def test_model_sees_the_next_size_with_zeros_and_nothing_of_earlier_batches(
    crowd: onnxruntime.InferenceSession,
) -> None:
    bound = BoundRuns(crowd, "cpu", [4, 8], graphs=False)
    x = np.arange(1, 17, dtype=np.float32).reshape(8, 2)
    for count, size in ((8, 8), (5, 8), (3, 4), (4, 4), (1, 4), (7, 8)):
        results = bound.run({"x": x[:count]})
        assert results["sum"].tolist() == [x[:count].sum(axis=0).tolist()] * count
        assert results["counts"].tolist() == [[size]] * count


def test_results_stay_when_the_next_batch_runs(model: tuple[onnxruntime.InferenceSession, Rows]) -> None:
    session, rows = model
    bound = BoundRuns(session, "cpu", SIZES, graphs=False)
    for count in (1, 5, 8):
        first = bound.run(slice_of(rows, 0, count))
        kept = {name: array.copy() for name, array in first.items()}
        second = bound.run(slice_of(rows, 8, count))
        assert not same(second, kept)
        assert same(first, kept)
        for array in first.values():
            array[:] = 0  # the caller's own: it may
        assert same(bound.run(slice_of(rows, 0, count)), kept)


def test_inputs_need_not_be_contiguous(model: tuple[onnxruntime.InferenceSession, Rows]) -> None:
    session, rows = model
    every_other = {name: array[::2] for name, array in rows.items()}
    assert same(BoundRuns(session, "cpu", SIZES, graphs=False).run(every_other), plain(session, every_other))


def test_threads_get_their_own_rows(model: tuple[onnxruntime.InferenceSession, Rows]) -> None:
    session, rows = model
    bound = BoundRuns(session, "cpu", SIZES, graphs=False)
    parts = [slice_of(rows, start, count) for start in range(12) for count in (1, 2, 5, 8)]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(bound.run, parts))
    assert all(same(found, plain(session, part)) for found, part in zip(results, parts, strict=True))


def test_sizes_that_are_given_up_are_padded_to_the_next(crowd: onnxruntime.InferenceSession) -> None:
    bound = BoundRuns(crowd, "cpu", [1, 2, 4, 8], graphs=False)
    x = np.ones((8, 2), np.float32)
    assert [bound.run({"x": x[:count]})["counts"][0, 0] for count in (1, 2, 3, 8)] == [1, 2, 4, 8]
    bound.keep([2, 8])
    assert bound.sizes == (2, 8)
    assert [bound.run({"x": x[:count]})["counts"][0, 0] for count in (1, 2, 3, 8)] == [2, 2, 8, 8]


def test_batch_beyond_the_largest_size_is_refused(crowd: onnxruntime.InferenceSession) -> None:
    bound = BoundRuns(crowd, "cpu", [4, 8], graphs=False)
    with pytest.raises(ValueError, match="a batch of 9 rows is larger than the largest bucket of 8"):
        bound.run({"x": np.ones((9, 2), np.float32)})


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (np.ones((2, 2)), r"float64\[2, 2\]"),
        (np.ones((2, 1), np.float32), r"float32\[2, 1\]"),
        (np.ones((2, 2), np.int32), r"int32\[2, 2\]"),
    ],
)
def test_input_of_another_kind_is_refused_at_any_time(
    wrong: np.ndarray, found: str, crowd: onnxruntime.InferenceSession
) -> None:
    bound = BoundRuns(crowd, "cpu", [4], graphs=False)
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):  # ONNX Runtime's own
        bound.run({"x": wrong})
    right = np.ones((3, 2), np.float32)
    assert bound.run({"x": right})["sum"].tolist() == [[3, 3]] * 3
    with pytest.raises(ValueError, match=rf"input x: expected float32\[2, 2\], found {found}"):
        bound.run({"x": wrong})


@pytest.fixture
def graph_runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, str]]:
    """The bindings that ONNX Runtime ran, each with the number of its graph."""
    seen: list[tuple[object, str]] = []
    run = onnxruntime.InferenceSession.run_with_iobinding

    def run_and_note(session: onnxruntime.InferenceSession, binding: object, options: onnxruntime.RunOptions) -> None:
        seen.append((binding, options.get_run_config_entry("gpu_graph_id")))
        run(session, binding, options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", run_and_note)
    return seen


def test_each_size_has_a_graph_and_buffers_of_its_own(
    crowd: onnxruntime.InferenceSession, graph_runs: list[tuple[object, str]]
) -> None:
    bound = BoundRuns(crowd, "cpu", [1, 2, 4], graphs=True)
    for count in (4, 1, 2, 3, 4, 2, 1):
        bound.run({"x": np.ones((count, 2), np.float32)})
    assert [number for _, number in graph_runs] == ["3", "1", "2", "3", "3", "2", "1"]
    assert len(set(graph_runs)) == len({binding for binding, _ in graph_runs}) == 3


def test_only_a_first_run_can_fail_to_be_captured(
    crowd: onnxruntime.InferenceSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    rows = {"x": np.ones((1, 2), np.float32)}
    captured, new, without = (BoundRuns(crowd, "cpu", [1], graphs) for graphs in (True, True, False))
    captured.run(rows)
    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", fail)
    with pytest.raises(CaptureError, match="not permitted"):
        new.run(rows)
    for bound in (captured, without):
        with pytest.raises(RuntimeError, match="not permitted"):
            bound.run(rows)
