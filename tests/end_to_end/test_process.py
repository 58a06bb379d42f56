"""The server as a process: how it starts, what it survives, how it stops."""

import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc

StartServer = Callable[..., Any]
Connect = Callable[[str], Any]
RunModule = Callable[..., CompletedProcess[str]]
MANY = 5_000_000


def assert_refuses_to_start(result: CompletedProcess[str], code: int, *words: str) -> None:
    assert result.returncode == code
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("digitforge-serve: ")
    for word in words:
        assert word in line


def test_server_says_what_it_serves_and_where(start_server: StartServer, model_repository: Path) -> None:
    server = start_server("--versions", "1", "--versions", "2")
    for version, line in zip((1, 2), server.greeting, strict=False):
        assert line == (
            f"version {version} of {model_repository}: run untrained-{version}, trained on mnist, class-conditional, "
            "on CPUExecutionProvider"
        )
    assert server.address.startswith("127.0.0.1:")
    assert f"serves on {server.address} " in server.greeting[2]


def test_newest_version_is_served_alone_unless_others_are_asked_for(
    start_server: StartServer, connect: Connect
) -> None:
    stub = connect(start_server().address)
    assert stub.Generate(pb.GenerateRequest()).version == 2
    with pytest.raises(grpc.RpcError, match=r"1 is not served; served are \[2\]"):
        stub.Generate(pb.GenerateRequest(version=1))


def test_health_is_serving_for_the_process_and_for_the_service(channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    services = ("", "digits.v1.Digits", "inference.GRPCInferenceService")
    for service in services:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as error:
        stub.Check(health_pb2.HealthCheckRequest(service="digits.v1.Letters"))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
    messages: Any = health_pb2
    listed = stub.List(messages.HealthListRequest()).statuses
    assert {service: answer.status for service, answer in listed.items()} == dict.fromkeys(
        services, health_pb2.HealthCheckResponse.SERVING
    )


def test_reflection_lists_the_services_and_describes_their_messages(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)  # type: ignore[no-untyped-call]
    assert set(database.get_services()) == {  # type: ignore[no-untyped-call]
        "digits.v1.Digits",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "inference.GRPCInferenceService",
    }
    file = database.FindFileContainingSymbol("digits.v1.Digits")  # type: ignore[no-untyped-call]
    assert "GenerateRequest" in [message.name for message in file.message_type]


def test_stream_in_flight_ends_whole_when_the_server_is_asked_to_stop(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server("--grace-s", "60")
    stream = connect(server.address).GenerateStream(pb.GenerateRequest(seed=1, n=20_000))
    received = len(next(stream).images)
    server.process.send_signal(signal.SIGTERM)
    assert "shutting down" in server.process.stdout.readline()
    received += sum(len(chunk.images) for chunk in stream)
    assert received == 20_000
    assert server.process.wait(60) == 0
    assert server.stderr.read_text() == ""


def test_score_stream_in_flight_ends_whole_when_the_server_is_asked_to_stop(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server("--grace-s", "60")
    stopping = threading.Event()

    def requests() -> Any:
        yield pb.ScoreRequest(image=b"\x80" * 784)
        assert stopping.wait(60)
        yield pb.ScoreRequest(image=b"\x80" * 784)

    answers = connect(server.address).ScoreStream(requests())
    first = next(answers)
    server.process.send_signal(signal.SIGTERM)
    assert "shutting down" in server.process.stdout.readline()
    stopping.set()
    assert [answer.real_probability for answer in answers] == [first.real_probability]
    assert server.process.wait(60) == 0


def test_health_says_so_before_the_server_stops(start_server: StartServer) -> None:
    server = start_server("--grace-s", "60")
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="digits.v1.Digits"))
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
    assert server.process.wait(60) == 0


def test_call_that_outlives_the_grace_is_cut_off(start_server: StartServer, connect: Connect) -> None:
    server = start_server("--grace-s", "0.1")
    stream = connect(server.address).GenerateStream(pb.GenerateRequest(n=MANY))
    next(stream)
    assert server.stop() == 0
    with pytest.raises(grpc.RpcError):
        list(stream)


def test_second_ctrl_c_does_not_wait_for_calls_in_flight(start_server: StartServer, connect: Connect) -> None:
    server = start_server("--grace-s", "3600")
    stream = connect(server.address).GenerateStream(pb.GenerateRequest(n=MANY))
    next(stream)
    server.process.send_signal(signal.SIGINT)
    assert "shutting down" in server.process.stdout.readline()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops_cleanly(start_server: StartServer, number: signal.Signals) -> None:
    server = start_server()
    server.process.send_signal(number)
    assert server.process.wait(60) == 0
    assert server.stderr.read_text() == ""


def test_server_stops_cleanly_when_nobody_reads_what_it_says_any_more(start_server: StartServer) -> None:
    server = start_server()
    server.process.stdout.close()
    assert server.stop() == 0
    assert server.stderr.read_text() == ""


def test_clients_that_cancel_or_hang_up_or_run_out_of_time_leave_the_server_healthy(
    start_server: StartServer, connect: Connect
) -> None:
    server = start_server("--grace-s", "50", "--access-log", "off")
    stub = connect(server.address)
    expected = stub.Generate(pb.GenerateRequest(seed=1, n=50))

    def cancel(number: int) -> None:
        stream = connect(server.address).GenerateStream(pb.GenerateRequest(seed=number, n=MANY))
        next(stream)
        stream.cancel()

    def hang_up(number: int) -> None:
        channel = grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)])
        stream = digits_pb2_grpc.DigitsStub(channel).GenerateStream(pb.GenerateRequest(seed=number, n=MANY))
        next(stream)
        channel.close()

    def run_out_of_time(number: int) -> None:
        with pytest.raises(grpc.RpcError) as error:
            list(connect(server.address).GenerateStream(pb.GenerateRequest(seed=number, n=MANY), timeout=0.3))
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]

    with ThreadPoolExecutor(12) as pool:
        leavers = [pool.submit(leave, number) for leave in (cancel, hang_up, run_out_of_time) for number in range(4)]
        for leaver in leavers:
            leaver.result(60)
        assert stub.Generate(pb.GenerateRequest(seed=1, n=50)) == expected
    # None of the millions of images is in work any more: the server has nothing to wait for.
    assert server.stop() == 0
    assert server.stderr.read_text() == ""


def test_garbage_on_the_port_leaves_the_server_healthy(address: str, stub: Any) -> None:
    host, port = address.split(":")
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 10_000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(garbage)
    assert len(stub.Generate(pb.GenerateRequest(n=3)).images) == 3


def test_second_server_on_the_port_is_refused(run_module: RunModule, address: str, model_repository: Path) -> None:
    port = address.rpartition(":")[2]
    result = run_module("serving", "--device", "cpu", "--model-repository", model_repository, "--port", port)
    assert_refuses_to_start(result, 1, "127.0.0.1", f"port {port}", "in use", "--port")


def test_address_that_is_not_this_machines_is_refused(run_module: RunModule, model_repository: Path) -> None:
    flags = ("--device", "cpu", "--model-repository", model_repository, "--port", "0", "--host", "192.0.2.1")
    assert_refuses_to_start(run_module("serving", *flags), 1, "192.0.2.1")


def test_empty_repository_is_refused(run_module: RunModule, tmp_path: Path) -> None:
    result = run_module("serving", "--port", "0", "--device", "cpu", "--model-repository", tmp_path)
    assert_refuses_to_start(result, 1, str(tmp_path), "digitforge-export")


def test_version_that_is_not_there_is_refused(run_module: RunModule, model_repository: Path) -> None:
    flags = ("--port", "0", "--device", "cpu", "--model-repository", model_repository, "--versions", "7")
    result = run_module("serving", *flags)
    assert_refuses_to_start(result, 1, "version 7", "[1, 2]")


def test_damaged_model_is_refused(run_module: RunModule, tmp_path: Path) -> None:
    for model in ("generator", "discriminator"):
        (tmp_path / model / "1").mkdir(parents=True)
        (tmp_path / model / "1" / "model.onnx").write_bytes(b"no model")
    result = run_module("serving", "--port", "0", "--device", "cpu", "--model-repository", tmp_path)
    assert_refuses_to_start(result, 1, str(tmp_path / "generator/1/model.onnx"))


def test_wrong_settings_are_refused_with_exit_code_2(run_module: RunModule) -> None:
    assert_refuses_to_start(run_module("serving", "--port", "70000"), 2, "port", "70000", "65535")
    assert_refuses_to_start(run_module("serving", DIGITFORGE_PROT="1"), 2, "DIGITFORGE_PROT")
    unknown = run_module("serving", "--prot", "1")
    assert unknown.returncode == 2
    assert "--prot" in unknown.stderr.splitlines()[-1]
