"""The servers that are compared: how each is installed, started and asked."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.report import ARTIFACTS
from benchmarks.serving_load.h2load import Target
from digitforge.inference import request_of
from protos.digits.v1 import digits_pb2 as pb
from protos.inference import inference_pb2
from serving.transport.http2.messages import prefixed

SCRIPTS = Path(__file__).parent / "contenders"
ENVIRONMENTS = ARTIFACTS / "environments"
PIXELS = 28 * 28
GRPC = ("te: trailers", "content-type: application/grpc")
GENERATE = "/digits.v1.Digits/Generate"
INFER = "/inference.GRPCInferenceService/ModelInfer"
PATIENCE_S = 120.0
PROBE_S = 2.0
ONNX_RUNTIME = "onnxruntime==1.31.1"
DEBIANS_PYTHON = "/usr/bin/python3"


class ContenderError(Exception):
    """A server that cannot be installed or does not start."""


@dataclass(frozen=True)
class Place:
    """Where and what a contender serves.

    Attributes:
        repository: The model repository.
        model: The generator's file in it.
        latent_size: Its latents.
        port: The port.
        cores: How many processes may work.
        n: Images of a request.
        has_classes: Whether the generator takes a digit beside its latents.
        served: The model's name in the Open Inference Protocol.
    """

    repository: Path
    model: Path
    latent_size: int
    port: int
    cores: int
    n: int = 1
    has_classes: bool = True
    served: str = "generator"


@dataclass(frozen=True)
class Contender:
    """A server.

    Attributes:
        name: For tables.
        packages: What its environment holds; empty: the project's own.
        command: What starts it, after its Python.
        target: What asks it for `n` images.
        variables: Its environment variables.
        infers: Whether it speaks the Open Inference Protocol over gRPC.
        interpreter: The Python that runs it, or makes its environment.
        folder: Where it is started; None: here.
    """

    name: str
    packages: tuple[str, ...]
    command: Callable[[Place], list[str]]
    target: Callable[[Place], Target]
    variables: Callable[[Place], dict[str, str]] = lambda _: {}
    infers: bool = False
    interpreter: str = sys.executable
    folder: Path | None = None

    def python(self) -> str:
        """The interpreter of its environment, which is made where it is missing.

        Raises:
            ContenderError: Its packages cannot be installed.
        """
        if not self.packages:
            return self.interpreter
        folder = ENVIRONMENTS / self.name.partition(" ")[0].lower()
        python = folder / "bin" / "python"
        stamp = folder / "packages.json"
        if not stamp.exists() or json.loads(stamp.read_text()) != list(self.packages):
            subprocess.run([self.interpreter, "-m", "venv", "--clear", str(folder)], check=True)
            install = [str(python), "-m", "pip", "install", "--quiet", *self.packages]
            if subprocess.run(install, check=False).returncode:
                raise ContenderError(f"{self.name}: {' '.join(self.packages)} cannot be installed here")
            stamp.write_text(json.dumps(self.packages))
        return str(python.absolute())

    @contextmanager
    def serving(self, place: Place) -> Iterator[int]:
        """Run it; its process id, once it listens.

        Raises:
            ContenderError: It does not start.
        """
        log = ARTIFACTS / f"{self.name.partition(' ')[0]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python(), *self.command(place)],
                env={**os.environ, "OMP_NUM_THREADS": "1", **self.variables(place)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
            )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not (_is_ready(place) if self.infers else _listens(place.port)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ContenderError(f"{self.name} does not start; see {log}")
                time.sleep(0.1)
            time.sleep(2)  # all of its processes
            yield process.pid
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ours(workers: int | None = None) -> Contender:
    """The project's server, as `digitforge-serve` starts it."""
    return Contender(
        "digitforge",
        (),
        lambda place: [
            "-m", "serving", "--port", str(place.port), "--model-repository", str(place.repository), "--device", "cpu",
            "--workers", str(workers or place.cores),
        ],
        _generate,
        infers=True,
    )  # fmt: skip


def alternatives() -> list[Contender]:
    """What one would take instead."""
    return [
        Contender(
            "echo (grpc.aio, uvloop)",
            (),
            lambda place: [str(SCRIPTS / "echo.py"), str(place.port), str(place.cores)],
            _generate,
        ),
        Contender(
            "bare (grpc.aio, uvloop)",
            (),
            lambda place: [str(SCRIPTS / "bare.py"), str(place.port), str(place.cores), str(place.model)],
            _generate,
        ),
        Contender(
            "mosec (HTTP)",
            ("mosec==0.9.8", ONNX_RUNTIME),
            lambda place: [str(SCRIPTS / "mosec_server.py"), "--port", str(place.port)],
            lambda place: Target(
                f"http://127.0.0.1:{place.port}/inference", str(place.n).encode(), (), place.n * PIXELS, is_http1=True
            ),
            _model_and_workers,
        ),
        Contender(
            "MLServer (OIP gRPC)",
            ("mlserver==1.7.1", ONNX_RUNTIME),
            lambda place: ["-c", "from mlserver.cli import main; main()", "start", str(_mlserver_folder(place))],
            partial(_inference_protocol_target, "MLServer", "mlserver_body.py"),
            lambda place: {"MODEL": str(place.model), "PYTHONPATH": str(SCRIPTS)},
            infers=True,
        ),
        Contender(
            "PyTriton (OIP gRPC)",
            ("nvidia-pytriton==0.7.0", ONNX_RUNTIME),
            lambda place: [str(SCRIPTS / "pytriton_server.py"), str(place.port)],
            partial(_inference_protocol_target, "PyTriton", "pytriton_body.py"),
            _model_and_workers,
            infers=True,
            # Triton's own processes load the system's libpython, whose standard library is that of Debian's Python.
            interpreter=DEBIANS_PYTHON if Path(DEBIANS_PYTHON).exists() else sys.executable,
        ),
        Contender(
            "LitServe (HTTP)",
            ("litserve==0.2.19", ONNX_RUNTIME),
            lambda place: [str(SCRIPTS / "litserve_server.py"), str(place.port)],
            lambda place: Target(
                f"http://127.0.0.1:{place.port}/predict", json.dumps({"n": place.n}).encode(),
                ("content-type: application/json",), place.n * PIXELS, is_http1=True,
            ),
            _model_and_workers,
        ),
        Contender(
            "Ray Serve (HTTP)",
            ("ray[serve]==2.60.0", ONNX_RUNTIME),
            lambda place: [str(SCRIPTS / "ray_server.py"), str(place.port)],
            lambda place: Target(
                f"http://127.0.0.1:{place.port}/", str(place.n).encode(), (), place.n * PIXELS, is_http1=True
            ),
            _model_and_workers,
        ),
    ]  # fmt: skip


def _generate(place: Place) -> Target:
    body = prefixed(pb.GenerateRequest(n=place.n).SerializeToString())  # the server draws the seed: no two are alike
    return Target(f"http://127.0.0.1:{place.port}{GENERATE}", body, GRPC, place.n * PIXELS)


def _mlserver_folder(place: Place) -> Path:
    folder = ARTIFACTS / "mlserver"
    folder.mkdir(parents=True, exist_ok=True)
    ports = {"grpc_port": place.port, "http_port": place.port + 1, "metrics_port": place.port + 2}
    (folder / "settings.json").write_text(json.dumps({**ports, "host": "127.0.0.1", "parallel_workers": 0}))
    model = {"name": "generator", "implementation": "mlserver_runtime.Generator"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    return folder


def _model_and_workers(place: Place) -> dict[str, str]:
    return {"MODEL": str(place.model), "WORKERS": str(place.cores)}


def _inference_protocol_target(name: str, script: str, place: Place) -> Target:
    """ModelInfer of the Open Inference Protocol, its bytes written by the contender's own library."""
    (contender,) = [one for one in alternatives() if one.name.startswith(name)]
    command = [contender.python(), str(SCRIPTS / script), str(place.n), str(place.latent_size)]
    body = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    url = f"http://127.0.0.1:{place.port}{INFER}"
    return Target(url, prefixed(bytes.fromhex(body.split()[-1])), GRPC, place.n * PIXELS)


def infer_target(place: Place) -> Target:
    """ModelInfer of the generator, the same bytes for every server."""
    inputs: dict[str, np.ndarray] = {
        "z": np.random.default_rng(0).standard_normal((place.n, place.latent_size), np.float32)
    }
    if place.has_classes:
        inputs["digit"] = np.arange(place.n).reshape(-1, 1) % 10
    body = request_of("generator", inputs, (), 0).SerializeToString()
    return Target(f"http://127.0.0.1:{place.port}{INFER}", prefixed(body), GRPC, place.n * PIXELS)


def score_target(place: Place, request: bytes) -> Target:
    """Score of one image, by a serialised ScoreRequest."""
    return Target(f"http://127.0.0.1:{place.port}/digits.v1.Digits/Score", prefixed(request), GRPC, 5)


def _is_ready(place: Place) -> bool:
    """Whether a server of the Open Inference Protocol has loaded the model; some listen before."""
    with grpc.insecure_channel(f"127.0.0.1:{place.port}") as channel:
        ready: Any = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelReady",
            inference_pb2.ModelReadyRequest.SerializeToString,
            inference_pb2.ModelReadyResponse.FromString,
        )
        try:
            return bool(ready(inference_pb2.ModelReadyRequest(name=place.served), timeout=PROBE_S).ready)
        except grpc.RpcError:
            return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
