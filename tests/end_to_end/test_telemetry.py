"""What a running server counts and logs, as Prometheus, a load balancer and a person see it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

import grpc
import pytest

from protos.digits.v1 import digits_pb2 as pb

PATIENCE_S = 60
METRICS = re.compile(r"metrics at (http://\S+)/metrics")
GENERATE = "digits.v1.Digits/Generate"


def root(server: Any) -> str:
    """Where its monitor answers."""
    (root,) = [found[1] for line in server.greeting if (found := METRICS.search(line))]
    return root


def metrics(server: Any) -> dict[str, float]:
    with urlopen(f"{root(server)}/metrics", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def status(url: str) -> int:
    try:
        with urlopen(url, timeout=PATIENCE_S) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_every_scrape_sees_the_calls_of_all_workers(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "2", "--metrics-port", "0")
    for n in range(1, 13):
        connect(server.address).Generate(pb.GenerateRequest(n=n))
    with pytest.raises(grpc.RpcError):
        connect(server.address).Generate(pb.GenerateRequest(n=0))
    ended = f'grpc_server_call_duration_seconds_count{{grpc_method="{GENERATE}",grpc_status="%s"}}'
    until(lambda: ended % "INVALID_ARGUMENT" in metrics(server))  # grpcio answers an abort before its handler ends
    for _ in range(5):
        found = metrics(server)
        assert found[f'grpc_server_call_started_total{{grpc_method="{GENERATE}"}}'] == 13
        assert found[ended % "OK"] == 12
        assert found[ended % "INVALID_ARGUMENT"] == 1
        assert found['nv_inference_request_success{model="generator",version="2"}'] == 12
        assert found['nv_inference_count{model="generator",version="2"}'] == 78
        assert found["digitforge_serving_workers"] == 2


def test_what_a_killed_worker_counted_is_there_and_its_gauges_are_not(
    start_server: Callable[..., Any], connect: Callable[[str], Any], transport: str
) -> None:
    server = start_server("--workers", "1", "--metrics-port", "0")
    stub = connect(server.address)
    for _ in range(3):
        stub.Generate(pb.GenerateRequest(n=1))
    if transport == "http2":
        assert metrics(server)["digitforge_open_connections"] == 1
    processes = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    os.kill(int(processes[0]), signal.SIGKILL)
    until(lambda: metrics(server)["digitforge_worker_restarts_total"] == 1)
    connect(server.address).Generate(pb.GenerateRequest(n=1), wait_for_ready=True, timeout=PATIENCE_S)
    found = metrics(server)
    assert found['nv_inference_request_success{model="generator",version="2"}'] == 4
    assert found["digitforge_serving_workers"] == 1


def test_not_ready_from_the_moment_that_it_is_told_to_stop(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1", "--metrics-port", "0", "--grace-s", "60")
    assert status(f"{root(server)}/readyz") == 200
    stream = connect(server.address).GenerateStream(pb.GenerateRequest(n=1_000_000))
    next(stream)
    server.process.send_signal(signal.SIGTERM)
    until(lambda: status(f"{root(server)}/readyz") == 503)
    assert status(f"{root(server)}/livez") == 200
    stream.cancel()
    assert server.process.wait(PATIENCE_S) == 0
    with pytest.raises(URLError):
        status(f"{root(server)}/livez")


def test_refused_call_has_a_line_with_the_id_that_its_caller_was_told(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    server = start_server("--workers", "1", "--log-format", "json")
    stub = connect(server.address)
    stub.Generate(pb.GenerateRequest(n=1))
    with pytest.raises(grpc.RpcError) as refused:
        stub.Generate(pb.GenerateRequest(n=0))
    error: Any = refused.value
    told = dict(error.trailing_metadata())["x-request-id"]
    assert server.stop() == 0
    (line,) = [json.loads(line) for line in server.stderr.read_text().splitlines()]
    assert (line["method"], line["status"], line["request_id"]) == (GENERATE, "INVALID_ARGUMENT", told)


def test_metrics_port_that_is_taken_is_told(run_module: Callable[..., Any], model_repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ("--model-repository", model_repository, "--port", "0", "--metrics-port", port)
        result = run_module("serving", *flags)
    assert result.returncode == 1
    assert f"port {port}: Address already in use; choose another with --host and --metrics-port" in result.stderr


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Prometheus (Debian: prometheus)")
def test_prometheus_scrapes_it(start_server: Callable[..., Any], connect: Callable[[str], Any], tmp_path: Path) -> None:
    server = start_server("--workers", "2", "--metrics-port", "0")
    for _ in range(7):
        connect(server.address).Generate(pb.GenerateRequest(n=2))
    target = root(server).removeprefix("http://")
    (tmp_path / "prometheus.yml").write_text(
        "scrape_configs:\n- job_name: digitforge\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n"
        f"  static_configs:\n  - targets: ['{target}']\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    prometheus = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(query: str) -> Any:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/v1/{query}", timeout=PATIENCE_S) as answer:
                return json.load(answer)["data"]
        except (URLError, ConnectionError):
            return {"result": []}

    def value(expression: str) -> float | None:
        results = ask(f"query?query={quote(expression)}")["result"]
        return float(results[0]["value"][1]) if results else None

    try:
        until(lambda: value('nv_inference_count{model="generator"}') == 14)
        assert value("up") == 1
        assert value(f'grpc_server_call_started_total{{grpc_method="{GENERATE}"}}') == 7
        under_a_minute = value("histogram_quantile(0.99, grpc_server_call_duration_seconds_bucket)")
        assert under_a_minute is not None
        assert 0 < under_a_minute < PATIENCE_S
        (told,) = ask("metadata?metric=nv_inference_count")["nv_inference_count"]
        assert told["type"] == "counter"
    finally:
        prometheus.terminate()
        prometheus.wait(PATIENCE_S)
