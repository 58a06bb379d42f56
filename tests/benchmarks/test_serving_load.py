"""The bench of the server under load: what of it is not a measurement."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.serving_load.__main__ import SCENARIOS, least_disturbed
from benchmarks.serving_load.any_model import body, contenders, put
from benchmarks.serving_load.contender import Place, alternatives, infer_target, ours
from benchmarks.serving_load.contenders.bare import count_in
from benchmarks.serving_load.pairs import Pair, other, show
from benchmarks.serving_load.processes import cpu_s, family, resident_mb
from protos.digits.v1 import digits_pb2 as pb
from protos.inference import inference_pb2 as inference

needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the processes from Linux's /proc")


def test_fastest_round_is_given_with_the_least_processor_time_of_all() -> None:
    rounds = [
        {"req_per_s": 10.0, "p99_ms": 3.0, "cpu_s_per_1000": 0.1},
        {"req_per_s": 20.0, "p99_ms": 4.0, "cpu_s_per_1000": 0.2},
    ]
    assert least_disturbed(rounds) == {"req_per_s": 20.0, "p99_ms": 4.0, "cpu_s_per_1000": 0.1}


@pytest.mark.parametrize("n", sorted({scenario.n for scenario in SCENARIOS} | {127, 128, 2**32 - 1}))
def test_bare_server_reads_what_we_ask(n: int) -> None:
    assert count_in(pb.GenerateRequest(n=n).SerializeToString()) == n


def test_every_request_draws_a_seed_of_its_own_and_its_answer_must_hold_all_pixels() -> None:
    target = ours().target(Place(Path("models"), Path("model.onnx"), 50, 1, 2, n=64))
    request = pb.GenerateRequest.FromString(target.body[5:])
    assert request.n == 64
    assert not request.HasField("seed")
    assert target.answer_bytes == 64 * 784


@pytest.mark.parametrize("has_classes", [True, False])
def test_every_server_of_the_protocol_is_asked_by_the_same_message(has_classes: bool) -> None:
    target = infer_target(Place(Path("models"), Path("model.onnx"), 50, 1, 2, n=3, has_classes=has_classes))
    request = inference.ModelInferRequest.FromString(target.body[5:])
    shapes = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in request.inputs}
    assert shapes == {"z": ("FP32", [3, 50])} | ({"digit": ("INT64", [3, 1])} if has_classes else {})
    assert [contender.name.partition(" ")[0] for contender in (ours(), *alternatives()) if contender.infers] == [
        "digitforge",
        "MLServer",
        "PyTriton",
    ]


@needs_proc
def test_processes_of_a_server_are_counted_with_their_children() -> None:
    work = "print(sum(range(10**7)), flush=True); input()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # the grandchild has worked
        assert len(family(process.pid)) == 2
        assert (before := cpu_s(process.pid)) > 0
        assert all(size > 1 for size in resident_mb(process.pid))
        assert process.stdin
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()  # it has ended, and its time is not lost
        assert len(family(process.pid)) == 1
        assert cpu_s(process.pid) >= before
        process.communicate(b"\n")
    assert family(os.getpid())[0] == os.getpid()


def test_pairs_are_told_by_the_median_of_their_ratios() -> None:
    some = [Pair((1.0, 2.0), (300.0, 100.0)), Pair((3.0, 2.0), (100.0, 100.0)), Pair((2.0, 2.0), (100.0, 200.0))]
    line = show({"Score": some}).splitlines()[-1]
    assert line.split()[:2] == ["Score", "3"]
    assert "1.000 (0.500 to 1.500)" in line
    assert "1.000 (0.500 to 3.000)" in line


def test_other_server_is_started_in_its_tree_by_its_own_python_or_is_this_one_that_tells_nothing(
    tmp_path: Path,
) -> None:
    place = Place(Path("models"), Path("model.onnx"), 50, 1, 2)
    assert other(str(tmp_path), 2).python() == sys.executable
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    there = other(str(tmp_path), 2)
    assert (there.python(), there.folder) == (str(python), tmp_path)
    assert there.command(place) == ours(2).command(place)
    untold = other("untold", 2).command(place)
    assert Path(untold[0]).name == "untold.py"
    assert untold[1:] == ours(2).command(place)[2:]


def test_every_server_is_asked_for_any_model_by_the_same_rows_which_that_model_runs(tmp_path: Path) -> None:
    path = put(None, tmp_path)
    assert path == tmp_path / "model" / "1" / "model.onnx"
    request = inference.ModelInferRequest.FromString(body(path, 3)[5:])
    assert (request.model_name, [list(tensor.shape) for tensor in request.inputs]) == ("model", [[3, 64]])
    assert [each.name.partition(" ")[0] for each in contenders(tmp_path)] == ["digitforge", "MLServer", "PyTriton"]
