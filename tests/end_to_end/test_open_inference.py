"""The Open Inference Protocol, by Triton's own Python client, on models that are not ours and on the digits'.

The client is unmodified, and in a process of its own.
"""

import base64
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest

from digitforge.latents import latents
from protos.digits.v1 import digits_pb2 as pb
from tests.processes import end, start
from tests.serving import onnx_models
from tests.triton import in_tritons_process

PATIENCE_S = 60
# What every program below begins with: a client, inputs from arrays, and what a call comes to.
BEGIN = """
import json, sys
import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import np_to_triton_dtype, InferenceServerException
client = triton.InferenceServerClient(sys.argv[1])

def inputs(**arrays):
    made = []
    for name, array in arrays.items():
        made.append(triton.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)))
        made[-1].set_data_from_numpy(array)
    return made

def outputs(*names):
    return [triton.InferRequestedOutput(name) for name in names]

def refusal(call, *arguments, **options):
    try:
        return ["none", repr(call(*arguments, **options))]
    except InferenceServerException as error:
        return [error.status(), error.message()]

x = np.arange(6, dtype=np.float32).reshape(2, 3)
"""


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of models that are not ours, one of them broken."""
    folder = tmp_path_factory.mktemp("strangers")
    onnx_models.conv_net(folder / "conv/1/model.onnx")
    for version in (1, 3):
        onnx_models.two_inputs(folder / f"two/{version}/model.onnx")
    (folder / "two/config.pbtxt").write_text(
        "max_batch_size: 4 version_policy { all { } } instance_group [ { count: 2 } ]"
    )
    onnx_models.half(folder / "half/1/net.onnx")
    (folder / "half/config.pbtxt").write_text('default_model_filename: "net.onnx"')
    onnx_models.lookup(folder / "lookup/1/model.onnx")
    onnx_models.joined_texts(folder / "texts/1/model.onnx")
    (folder / "broken/1").mkdir(parents=True)
    (folder / "broken/1/model.onnx").write_bytes(b"no model")
    return folder


@pytest.fixture(scope="session")
def strangers_server(strangers: Path, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Any]:
    """A server of it with two workers, for all tests together."""
    flags = ("--transport", transport, "--workers", "2", "--metrics-port", "0", "--log-format", "json")
    server = start(strangers, tmp_path_factory.mktemp("strangers-server") / "stderr", *flags)
    yield server
    end(server)


def ask(server: Any, program: str) -> Any:
    return in_tritons_process(BEGIN + program, getattr(server, "address", server))


def test_server_and_models_are_described_from_the_graphs(strangers_server: Any) -> None:
    told = ask(strangers_server, """
print(json.dumps({
    "live": [client.is_server_live(), client.is_server_ready()],
    "ready": [client.is_model_ready(name) for name in ("conv", "two", "broken")],
    "server": client.get_server_metadata(as_json=True),
    "conv": client.get_model_metadata("conv", as_json=True),
    "two": client.get_model_metadata("two", "1", as_json=True),
    "config": client.get_model_config("two", as_json=True)["config"],
    "config of conv": client.get_model_config("conv", as_json=True)["config"],
}))
""")  # fmt: skip
    assert told["live"] == [True, True]
    assert told["ready"] == [True, True, False]
    assert told["server"]["extensions"] == ["model_configuration", "statistics"]
    assert told["conv"]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["2", "1", "4", "4"]}]
    assert told["two"]["versions"] == ["1", "3"]
    assert told["two"]["outputs"][1] == {"name": "difference", "datatype": "FP32", "shape": ["-1", "3"]}
    assert told["config"]["max_batch_size"] == 4
    assert told["config"]["input"][0] == {"name": "a", "data_type": "TYPE_FP32", "dims": ["3"]}
    assert "max_batch_size" not in told["config of conv"]  # which is 0
    assert told["config of conv"]["input"][0]["dims"] == ["2", "1", "4", "4"]


def test_broken_model_is_in_the_index_with_the_reason_and_keeps_no_other_down(
    strangers_server: Any, strangers: Path
) -> None:
    index, ready = ask(strangers_server, """
every = client.get_model_repository_index(as_json=True)["models"]
from tritonclient.grpc import service_pb2
stub = client._client_stub
ready = [each.name for each in stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(ready=True)).models]
print(json.dumps([every, ready]))
""")  # fmt: skip
    assert [(each["name"], each["version"], each["state"]) for each in index] == [
        ("broken", "1", "UNAVAILABLE"),
        ("conv", "1", "READY"),
        ("half", "1", "READY"),
        ("lookup", "1", "READY"),
        ("texts", "1", "READY"),
        ("two", "1", "READY"),
        ("two", "3", "READY"),
    ]
    assert index[0]["reason"].startswith("broken/1/model.onnx cannot be loaded")
    assert str(strangers) not in index[0]["reason"]  # which callers need not know
    assert ready == ["conv", "half", "lookup", "texts", "two", "two"]
    lines = [line for line in strangers_server.greeting if "warning" in line or "not obeyed" in line]
    assert len(lines) == 2
    assert "warning: not served: " in lines[0]
    assert "two/config.pbtxt: not obeyed: instance_group" in lines[1]


def test_models_of_every_kind_are_inferred(strangers_server: Any) -> None:
    told = ask(strangers_server, """
image = np.ones((2, 1, 4, 4), np.float32)
texts = np.array([b"a", "\\u00e4".encode()], object)
two = client.infer("two", inputs(a=x, b=x), request_id="mine", outputs=outputs("difference", "total"))
response = two.get_response()
print(json.dumps({
    "two": [two.as_numpy("total").tolist(), two.as_numpy("difference").tolist()],
    "order": [output.name for output in response.outputs],
    "of": [response.id, response.model_name, response.model_version],
    "first version": client.infer("two", inputs(a=x, b=x), model_version="1").get_response().model_version,
    "conv": client.infer("conv", inputs(x=image)).as_numpy("y").shape,
    "half": client.infer("half", inputs(x=np.full((1, 4), 1.5, np.float16))).as_numpy("y").tolist(),
    "half dtype": str(client.infer("half", inputs(x=np.ones((1, 4), np.float16))).as_numpy("y").dtype),
    "lookup": client.infer("lookup", inputs(place=np.array([3, 4]))).as_numpy("square").tolist(),
    "texts": [text.decode() for text in client.infer("texts", inputs(first=texts, second=texts)).as_numpy("text")],
}))
""")  # fmt: skip
    assert told["two"] == [[[0, 2, 4], [6, 8, 10]], [[0, 0, 0], [0, 0, 0]]]
    assert told["order"] == ["difference", "total"]
    assert told["of"] == ["mine", "two", "3"]
    assert told["first version"] == "1"
    assert told["conv"] == [2, 3]
    assert (told["half"], told["half dtype"]) == ([[3.0] * 4], "float16")
    assert told["lookup"] == [9, 16]
    assert told["texts"] == ["aa", "ää"]


def test_typed_contents_are_the_same_as_raw_ones(strangers_server: Any) -> None:
    told = ask(strangers_server, """
from tritonclient.grpc import service_pb2
def typed(model, **tensors):
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, (datatype, shape, field, values) in tensors.items():
        tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
        getattr(tensor.contents, field).extend(values)
    response = client._client_stub.ModelInfer(request)
    return triton.InferResult(response).as_numpy(response.outputs[0].name).tolist()
print(json.dumps([
    typed("two", a=("FP32", [1, 3], "fp32_contents", [1, 2, 3]), b=("FP32", [1, 3], "fp32_contents", [1, 1, 1])),
    typed("lookup", place=("INT64", [2], "int64_contents", [9, 2])),
    [text.decode() for text in typed("texts", **{
        name: ("BYTES", [1], "bytes_contents", [name.encode()]) for name in ("first", "second")
    })],
]))
""")  # fmt: skip
    assert told == [[[2, 3, 4]], [81, 4], ["firstsecond"]]


def test_what_is_wrong_is_refused_by_its_name(strangers_server: Any) -> None:
    told = ask(strangers_server, """
from tritonclient.grpc import service_pb2
def raw(change):
    request = service_pb2.ModelInferRequest(model_name="two", raw_input_contents=[bytes(24), bytes(24)])
    for name in "ab":
        request.inputs.add(name=name, datatype="FP32", shape=[2, 3])
    change(request)
    try:
        client._client_stub.ModelInfer(request)
    except Exception as error:
        return [str(error.code()), error.details()]
    return ["none", ""]

def classes(request):
    request.outputs.add(name="total").parameters["classification"].int64_param = 2
def shared(request):
    request.inputs[0].parameters["shared_memory_region"].string_param = "region"
print(json.dumps({
    "sound": raw(lambda request: None),
    "unknown model": refusal(client.infer, "none", []),
    "broken model": refusal(client.infer, "broken", []),
    "unknown version": refusal(client.infer, "two", inputs(a=x, b=x), model_version="2"),
    "no version": refusal(client.infer, "two", inputs(a=x, b=x), model_version="newest"),
    "missing": refusal(client.infer, "two", inputs(a=x)),
    "other name": refusal(client.infer, "two", inputs(a=x, b=x, c=x)),
    "other shape": refusal(client.infer, "two", inputs(a=x, b=x[:, :2])),
    "other rows": refusal(client.infer, "two", inputs(a=x, b=x[:1])),
    "other type": refusal(client.infer, "two", inputs(a=x, b=x.astype(np.float64))),
    "many rows": refusal(client.infer, "two", inputs(a=np.tile(x, (3, 1)), b=np.tile(x, (3, 1)))),
    "other output": refusal(client.infer, "two", inputs(a=x, b=x), outputs=outputs("sum")),
    "output twice": refusal(client.infer, "two", inputs(a=x, b=x), outputs=outputs("total", "total")),
    "sequence": refusal(client.infer, "two", inputs(a=x, b=x), sequence_id=3),
    "bytes": raw(lambda request: request.raw_input_contents.__setitem__(1, bytes(23))),
    "count": raw(lambda request: request.raw_input_contents.append(b"")),
    "both": raw(lambda request: request.inputs[1].contents.fp32_contents.append(1)),
    "twice": raw(lambda request: setattr(request.inputs[1], "name", "a")),
    "datatype": raw(lambda request: setattr(request.inputs[1], "datatype", "BF16")),
    "negative": raw(lambda request: request.inputs[1].shape.__setitem__(0, -2)),
    "huge": raw(lambda request: request.inputs[1].shape.__setitem__(0, 2**62)),
    "classification": raw(classes),
    "shared memory": raw(shared),
    "load": refusal(client.load_model, "two"),
    "region": refusal(client.get_system_shared_memory_status),
    "trace": refusal(client.get_trace_settings),
    "data": refusal(client.infer, "lookup", inputs(place=np.array([99]))),
}))
""")  # fmt: skip
    assert told.pop("sound") == ["none", ""]
    expected = {
        "unknown model": ("NOT_FOUND", "'none'"),
        "broken model": ("NOT_FOUND", "broken/1/model.onnx cannot be loaded"),
        "unknown version": ("NOT_FOUND", "version 2 of model 'two'"),
        "no version": ("INVALID_ARGUMENT", "model_version: 'newest'"),
        "missing": ("INVALID_ARGUMENT", "'b' is missing"),
        "other name": ("INVALID_ARGUMENT", "'c' is no input of model 'two'"),
        "other shape": ("INVALID_ARGUMENT", "'b' has the shape [2, 2], and the model takes [-1, 3]"),
        "other rows": ("INVALID_ARGUMENT", "'a' 2, 'b' 1"),
        "other type": ("INVALID_ARGUMENT", "'b' has the datatype FP64, and the model takes FP32"),
        "many rows": ("INVALID_ARGUMENT", "at most 4 rows (max_batch_size), and this one has 6"),
        "other output": ("INVALID_ARGUMENT", "'sum' is no output of model 'two'; it has 'total', 'difference'"),
        "output twice": ("INVALID_ARGUMENT", "'total' is asked for twice"),
        "sequence": ("INVALID_ARGUMENT", "sequence_id"),
        "bytes": ("INVALID_ARGUMENT", "'b' has 23 bytes; 24 are FP32[2, 3]"),
        "count": ("INVALID_ARGUMENT", "raw_input_contents: has 3 elements for 2 inputs"),
        "both": ("INVALID_ARGUMENT", "'b' has contents, beside"),
        "twice": ("INVALID_ARGUMENT", "'a' is there twice"),
        "datatype": ("INVALID_ARGUMENT", "'b' has the datatype 'BF16'"),
        "negative": ("INVALID_ARGUMENT", "'b' has the shape [-2, 3]"),
        "huge": ("INVALID_ARGUMENT", "'b' has 24 bytes"),
        "classification": ("INVALID_ARGUMENT", "classification of output 'total'"),
        "shared memory": ("INVALID_ARGUMENT", "shared_memory_region of input 'a'"),
        "load": ("UNIMPLEMENTED", "RepositoryModelLoad is not served: models come and go with their folders"),
        "region": ("UNIMPLEMENTED", "SystemSharedMemoryStatus is not served"),
        "trace": ("UNIMPLEMENTED", "TraceSetting is not served"),
        "data": ("INTERNAL", "idx=99"),
    }
    assert told.keys() == expected.keys()
    for name, (status, words) in expected.items():
        assert told[name][0] == f"StatusCode.{status}", name
        assert words in told[name][1], name


def test_stream_answers_in_order_and_goes_on_behind_a_refusal(strangers_server: Any) -> None:
    told = ask(strangers_server, """
import queue
answers = queue.Queue()
client.start_stream(callback=lambda result, error: answers.put((result, error)))
for number in range(20):
    model = "two" if number != 7 else "none"
    client.async_stream_infer(model, inputs(a=x + number, b=x), request_id=str(number))
found = []
for _ in range(20):
    result, error = answers.get(timeout=60)
    if error:
        found.append(error.message())
    else:
        response = result.get_response()
        final = response.parameters["triton_final_response"].bool_param
        found.append([response.id, float(result.as_numpy("difference")[0, 0]), final])
client.stop_stream()
print(json.dumps(found))
""")  # fmt: skip
    refused = told.pop(7)
    assert "model 'none' is not served" in refused
    assert told == [[str(number), number, True] for number in range(20) if number != 7]


def test_asynchronous_client_has_many_calls_at_a_time(strangers_server: Any) -> None:
    told = ask(strangers_server, """
import asyncio
import tritonclient.grpc.aio as triton_aio
async def run():
    async with triton_aio.InferenceServerClient(sys.argv[1]) as client:
        calls = [client.infer("two", inputs(a=x + number, b=x)) for number in range(30)]
        found = [float(result.as_numpy("difference")[0, 0]) for result in await asyncio.gather(*calls)]
        async def requests():
            for number in range(5):
                yield {"model_name": "lookup", "inputs": inputs(place=np.array([number]))}
        stream = client.stream_infer(requests())
        squares = [result.as_numpy("square").tolist() async for result, error in stream]
        return found, squares
print(json.dumps(asyncio.run(run())))
""")  # fmt: skip
    assert told == [list(range(30)), [[0], [1], [4], [9], [16]]]


def test_calls_of_all_workers_are_in_the_statistics_and_in_the_metrics(strangers_server: Any) -> None:
    def counted() -> tuple[Any, dict[str, float]]:
        statistics = ask(strangers_server, """
(half,) = client.get_inference_statistics("half", as_json=True)["model_stats"]
everything = client.get_inference_statistics(as_json=True)["model_stats"]
print(json.dumps([half, [each["name"] for each in everything]]))
""")  # fmt: skip
        (root,) = [
            found[1] for line in strangers_server.greeting if (found := re.search(r"at (http://\S+/metrics)", line))
        ]
        with urlopen(root, timeout=PATIENCE_S) as answer:
            lines = answer.read().decode().splitlines()
        return statistics, {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if x[0] != "#")}

    (_, names), before = counted()
    assert sorted(names) == ["conv", "half", "lookup", "texts", "two", "two"]
    program = """
for _ in range(4):
    with triton.InferenceServerClient(sys.argv[1]) as other:
        other.infer("half", inputs(x=np.ones((3, 4), np.float16)))
print("null")
"""
    ask(strangers_server, program)
    (half, _), after = counted()
    labels = '{model="half",version="1"}'
    for name, more in (("nv_inference_count", 12), ("nv_inference_request_success", 4)):
        assert after[name + labels] - before.get(name + labels, 0) == more
    assert int(half["inference_count"]) == after[f"nv_inference_count{labels}"]
    success, infer = half["inference_stats"]["success"], half["inference_stats"]["compute_infer"]
    assert int(success["count"]) == after[f"nv_inference_request_success{labels}"]
    assert int(success["ns"]) >= int(infer["ns"]) > 0


def test_without_a_pair_the_protocol_stands_alone(strangers_server: Any) -> None:
    with grpc.insecure_channel(strangers_server.address) as channel:
        call: Any = channel.unary_unary("/digits.v1.Digits/Generate")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"")
    error: Any = refused.value
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_images_are_the_bytes_that_generate_gives_for_the_same_latents(stub: Any, address: str) -> None:
    program = """
import base64
def images(z):
    digit = np.arange(len(z)).reshape(-1, 1) % 10
    result = client.infer("generator", inputs(z=z, digit=digit), model_version="1")
    return base64.b64encode(result.as_numpy("images").tobytes()).decode()
z = np.frombuffer(base64.b64decode(sys.stdin.read()), np.float32).reshape(-1, 50)
print(json.dumps(images(z)))
"""
    z = latents(7, 0, 40, 50)
    text = base64.b64encode(z.tobytes()).decode()
    images = base64.b64decode(in_tritons_process(BEGIN + program, address, text=text))
    generated = stub.Generate(pb.GenerateRequest(seed=7, n=40, version=1))
    assert images == b"".join(generated.images)


def test_strict_server_does_not_start_with_a_broken_model(run_module: Callable[..., Any], strangers: Path) -> None:
    result = run_module("serving", "--port", "0", "--model-repository", strangers, "--device", "cpu", "--strict")
    assert result.returncode == 1
    assert "broken/1/model.onnx cannot be loaded" in result.stderr.splitlines()[-1]


def test_models_come_and_go_with_the_repository_at_sighup(
    start_server: Callable[..., Any], strangers: Path, tmp_path: Path
) -> None:
    repository = Path(shutil.copytree(strangers, tmp_path / "models", ignore=shutil.ignore_patterns("broken", "conv")))
    server = start_server("--workers", "1", repository=repository)
    index = """
models = client.get_model_repository_index(as_json=True)["models"]
print(json.dumps([each["name"] + each["version"] for each in models]))
"""
    assert ask(server, index) == ["half1", "lookup1", "texts1", "two1", "two3"]
    onnx_models.half(repository / "half/2/net.onnx")
    onnx_models.lookup(repository / "new/1/model.onnx")
    shutil.rmtree(repository / "texts")
    shutil.rmtree(repository / "two/1")
    server.process.send_signal(signal.SIGHUP)
    expected = ["half2", "lookup1", "new1", "two3"]
    deadline = time.monotonic() + PATIENCE_S
    while (found := ask(server, index)) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == expected


def test_refused_call_has_a_line_in_the_log_that_names_the_model_it_reached(
    start_server: Callable[..., Any], strangers: Path
) -> None:
    server = start_server("--workers", "1", "--log-format", "json", repository=strangers)
    ask(server, 'print(json.dumps(refusal(client.infer, "lookup", inputs(place=np.array([99])))))')
    assert server.stop() == 0
    (line,) = [json.loads(line) for line in server.stderr.read_text().splitlines()]
    assert (line["method"], line["status"]) == ("inference.GRPCInferenceService/ModelInfer", "INTERNAL")
    assert (line["model"], line["version"], line["rows"]) == ("lookup", 1, 1)


@pytest.mark.skipif(shutil.which("perf_analyzer") is None, reason="needs Triton's perf_analyzer")
@pytest.mark.parametrize("options", [["-m", "two", "-b", "2"], ["-m", "conv"], ["-m", "half", "--streaming"]], ids=str)
def test_perf_analyzer_measures_it_and_reads_its_statistics(strangers_server: Any, options: list[str]) -> None:
    command = ["perf_analyzer", *options, "-u", strangers_server.address, "-i", "grpc", "--concurrency-range", "2"]
    command += ["--measurement-mode", "count_windows", "--measurement-request-count", "50", "-s", "999"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert result.returncode == 0, result.stdout + result.stderr
    requests = re.search(r"Successful request count: (\d+)", result.stdout)
    assert requests is not None
    assert int(requests[1]) >= 50
