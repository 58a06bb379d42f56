"""Any ONNX model by the Open Inference Protocol: our server beside MLServer and PyTriton, the same client and messages.

    python -m benchmarks.serving_load.any_model                                     # a small classifier, made here
    python -m benchmarks.serving_load.any_model artifacts/models-article/generator/1/model.onnx --name article

The model's tensors have an open first size. Each server has as many processes as there are cores, and an environment of
its own; they take turns at each load, several rounds.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.report import ARTIFACTS, write_json
from benchmarks.serving_load.contender import (
    GRPC,
    INFER,
    SCRIPTS,
    Contender,
    ContenderError,
    Place,
    alternatives,
    ours,
)
from benchmarks.serving_load.h2load import LoadError, Target, load
from benchmarks.serving_load.processes import cpu_s
from benchmarks.training_process import exit_code
from digitforge.inference import request_of
from digitforge.machine.cores import cores_allowed
from digitforge.machine.onnx_runtime import onnxruntime
from judge.tables import text_table
from serving.engine.example_rows import makers
from serving.engine.signature import tensors_of
from serving.transport.http2.messages import prefixed

PORT, PORTS_EACH = 50_251, 3
NAME = "model"
LOADS = ((1, 16), (1, 64), (1, 256), (64, 32))  # rows of a request, connections
HOW = "h2load with one request in flight on each connection; medians of the rounds; CPU seconds from /proc."


def main() -> int:
    """Measure, print, write."""
    options = build_parser().parse_args()
    folder = ARTIFACTS / "any-model"
    path = put(options.model, folder / "repository")
    place = Place(
        (folder / "repository").resolve(), path.resolve(), 0, PORT, options.workers or cores_allowed(), served=NAME
    )
    bodies = {rows: body(path, rows) for rows in {rows for rows, _ in LOADS}}
    figures: dict[tuple[str, int, int], list[dict[str, float]]] = defaultdict(list)
    with ExitStack() as stack:
        running = []
        for number, contender in enumerate(contenders(folder)):
            where = replace(place, port=PORT + PORTS_EACH * number)
            try:
                running.append((contender.name, where, stack.enter_context(contender.serving(where))))
            except ContenderError as error:
                print(error, file=sys.stderr)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", flush=True)
            for rows, connections in LOADS:
                for name, where, pid in running:
                    target = Target(f"http://127.0.0.1:{where.port}{INFER}", bodies[rows], GRPC, rows)
                    before = cpu_s(pid)
                    try:
                        found = load(target, connections, options.seconds)
                    except LoadError as error:
                        print(f"{name}, {rows} rows, {connections} connections: {error}", file=sys.stderr)
                        continue
                    found["cpu_s_per_1000"] = (cpu_s(pid) - before) / found["requests"] * 1000
                    figures[name, rows, connections].append(found)
    print(show(figures))
    results = [
        {"server": name, "rows": rows, "connections": connections, "rounds": rounds}
        for (name, rows, connections), rounds in figures.items()
    ]
    print(
        f"written to {write_json(f'any_model_{options.name}', {'model': str(options.model), 'results': results}, HOW)}"
    )
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_load.any_model", description=__doc__.splitlines()[0]
    )
    parser.add_argument("model", type=Path, nargs="?", help="an ONNX file (default: a small classifier)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each takes its turn (default: 5)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (default: 3)")
    parser.add_argument("--workers", type=int, help="of each server (default: one a core)")
    parser.add_argument("--name", default="classifier", help="of the figures' file (default: classifier)")
    return parser


def put(model: Path | None, repository: Path) -> Path:
    """A repository of one model, and its file there."""
    path = repository / NAME / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    if model is not None:
        shutil.copy(model, path)
        return path
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    sizes = (64, 128, 10)  # as of 8x8 pixels, of ten classes
    weights = [
        numpy_helper.from_array(random.standard_normal((before, after), np.float32), f"w{number}")
        for number, (before, after) in enumerate(pairwise(sizes))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w1"], ["c"]),
        helper.make_node("Softmax", ["c"], ["classes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", sizes[0]])],
        [helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["batch", sizes[-1]])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def body(model: Path, rows: int) -> bytes:
    """The same request for every server: so many rows that the model runs."""
    inputs = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs()
    rows_of = next(iter(makers(tensors_of(inputs))))
    return prefixed(request_of(NAME, dict(rows_of(rows)), (), 0).SerializeToString())


def contenders(folder: Path) -> Iterable[Contender]:
    """Ours and the two others that speak the protocol, with any model."""
    yield ours()
    for one in alternatives():
        if one.name.startswith("MLServer"):
            yield replace(
                one,
                command=lambda place: [
                    "-c", "from mlserver.cli import main; main()", "start", str(_mlserver(folder, place))
                ],
            )  # fmt: skip
        elif one.name.startswith("PyTriton"):
            yield replace(one, command=lambda place: [str(SCRIPTS / "pytriton_any.py"), str(place.port)])


def show(figures: dict[tuple[str, int, int], list[dict[str, float]]]) -> str:
    """A table: medians of the rounds."""
    keys = ("req_per_s", "p50_ms", "p99_ms", "cpu_s_per_1000")
    return text_table(
        ("", "rows", "connections", "req/s", "p50 ms", "p99 ms", "CPU s/1,000"),
        [
            (
                name,
                str(rows),
                str(connections),
                *(f"{statistics.median(each[key] for each in rounds):,.3f}" for key in keys),
            )
            for (name, rows, connections), rounds in figures.items()
        ],
    )


def _mlserver(folder: Path, place: Place) -> Path:
    ports = {"grpc_port": place.port, "http_port": place.port + 1, "metrics_port": place.port + 2}
    (folder / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
    (folder / "model-settings.json").write_text(json.dumps({"name": NAME, "implementation": "mlserver_any.Model"}))
    return folder


if __name__ == "__main__":
    sys.exit(exit_code(main))
