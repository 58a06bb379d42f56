"""Which server the commands ask, and what `digitforge models` and `digitforge health` tell of it."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from digitforge.command import build_parser
from protos.digits.v1 import digits_pb2 as pb
from tests.end_to_end.command import Command, assert_fails

pytestmark = pytest.mark.any_transport


class Health(health_pb2_grpc.HealthServicer):
    """Answers with a status, or not at all."""

    status = health_pb2.HealthCheckResponse.SERVING
    holds = False

    def Check(self, request: Any, context: Any) -> health_pb2.HealthCheckResponse:
        gone = threading.Event()
        context.add_callback(gone.set)
        if self.holds:
            gone.wait()
        return health_pb2.HealthCheckResponse(status=self.status)


@pytest.fixture
def health_answers() -> Iterator[tuple[str, Health]]:
    """The address of a server that has health alone, and what it answers."""
    server, health = grpc.server(ThreadPoolExecutor(2)), Health()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", health
    server.stop(None).wait()


@pytest.mark.parametrize("command", [("generate", "-o", "a.npz"), ("score", __file__), ("models",)])
def test_server_that_does_not_answer_is_told_with_its_address(
    run_module: Callable[..., CompletedProcess[str]], command: tuple[str, ...], nobody: str
) -> None:
    assert_fails(run_module("digitforge", *command, "--address", nobody), 3, nobody, "digitforge-serve")


@pytest.mark.parametrize(
    "address",
    ["", ":50051", "localhost:", "localhost:abc", "localhost:0", "localhost:65536", "http://localhost", "::1", "a,,b"],
)
def test_what_is_no_address_is_refused_with_what_one_is(
    run_module: Callable[..., CompletedProcess[str]], address: str
) -> None:
    result = run_module("digitforge", "score", "--address", address, __file__)
    assert_fails(result, 2, "--address", repr("" if "," in address else address), "HOST:PORT")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost", ["localhost:50051"]),
        ("[::1]", ["[::1]:50051"]),
        ("localhost:8000, [::1]:1", ["localhost:8000", "[::1]:1"]),
    ],
)
def test_address_without_a_port_has_the_servers_usual_one_and_several_are_parted_by_commas(
    given: str, meant: list[str]
) -> None:
    assert build_parser().parse_args(["score", "--address", given, "a.png"]).address == meant


def test_variable_names_the_server_and_an_option_goes_before_it(
    run_module: Callable[..., CompletedProcess[str]], address: str, nobody: str
) -> None:
    run = partial(run_module, "digitforge", "health")
    assert run(DIGITFORGE_CLIENT_ADDRESS=address).stdout == f"{address}: serving\n"
    assert run("--address", address, DIGITFORGE_CLIENT_ADDRESS=nobody).stdout == f"{address}: serving\n"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("DIGITFORGE_CLIENT_ADDRESS", "localhost:x", ["HOST:PORT"]),
        ("DIGITFORGE_CLIENT_TIMEOUT_S", "-1", ["seconds above 0"]),
        ("DIGITFORGE_CLIENT_TIMEOUT_S", "soon", ["seconds above 0"]),
    ],
)
def test_variable_with_a_value_that_it_cannot_have_is_told_by_its_name(
    run_module: Callable[..., CompletedProcess[str]], variable: str, value: str, words: list[str]
) -> None:
    assert_fails(run_module("digitforge", "models", **{variable: value}), 2, variable, repr(value), *words)


def test_time_that_a_call_is_given_comes_from_the_option_or_else_the_variable(
    run_module: Callable[..., CompletedProcess[str]], address: str, tmp_path: Path
) -> None:
    variables = {"DIGITFORGE_CLIENT_ADDRESS": address, "DIGITFORGE_CLIENT_TIMEOUT_S": "1e-9"}
    many = ("-n", 4096, "-o", tmp_path / "digits.npz")  # gRPC's clients make a millisecond of it, which is soon over
    assert_fails(run_module("digitforge", "generate", *many, **variables), 1, "DEADLINE_EXCEEDED")
    assert run_module("digitforge", "models", "--timeout-s", 60, **variables).returncode == 0
    assert_fails(run_module("digitforge", "models", "--timeout-s", 0), 2, "--timeout-s", "'0'", "seconds above 0")


def test_models_are_a_table_with_a_star_at_the_default(digitforge: Command, stub: Any) -> None:
    models = stub.ListModels(pb.ListModelsRequest()).models
    heading, *lines = digitforge("models").stdout.splitlines()
    assert heading.split()[:2] == ["version", "run"]
    assert [line.split("  ")[0] for line in lines] == ["1", "2 *"]
    for line, model in zip(lines, models, strict=True):
        for name, value in {
            "run": model.run_id, "data set": model.dataset, "provider": model.provider, "classes": "0, 1, 2, 3",
            "latents": str(model.latent_size), "generator": model.generator_sha256[:12],
        }.items():  # fmt: skip
            assert line[heading.index(name) :].startswith(value)


def test_models_without_classes_say_so(
    run_module: Callable[..., CompletedProcess[str]], classless_address: str
) -> None:
    assert " none " in run_module("digitforge", "models", "--address", classless_address).stdout


def test_models_are_json_lines_where_they_are_asked_for(digitforge: Command, stub: Any) -> None:
    lines = [json.loads(line) for line in digitforge("models", "--json").stdout.splitlines()]
    expected = stub.ListModels(pb.ListModelsRequest()).models
    assert [(line["version"], line["generator_sha256"]) for line in lines] == [
        (model.version, model.generator_sha256) for model in expected
    ]
    assert set(lines[0]) == {field.name for field in pb.Model.DESCRIPTOR.fields}


def test_health_is_told_by_the_exit_code(
    digitforge: Command, run_module: Callable[..., CompletedProcess[str]], address: str, nobody: str
) -> None:
    for options in ([], ["--service", "digits.v1.Digits"]):
        result = digitforge("health", *options)
        assert (result.returncode, result.stdout, result.stderr) == (0, f"{address}: serving\n", "")
    assert_fails(digitforge("health", "--service", "digits.v1.Letters"), 1, address, "NOT_FOUND")
    assert_fails(run_module("digitforge", "health", "--address", nobody), 3, nobody)
    several = run_module("digitforge", "health", "--address", f"{nobody},{address}")
    assert_fails(several, 3, nobody)
    assert several.stdout == f"{address}: serving\n"


def test_server_that_is_going_away_or_holds_its_answer_is_not_healthy(
    run_module: Callable[..., CompletedProcess[str]], health_answers: Any
) -> None:
    address, answers = health_answers
    run = partial(run_module, "digitforge", "health", "--address", address)
    answers.status = health_pb2.HealthCheckResponse.NOT_SERVING
    result = run()
    assert (result.returncode, result.stdout) == (1, f"{address}: not serving\n")
    answers.holds = True
    assert_fails(run("--timeout-s", 1), 3, address, "DEADLINE_EXCEEDED")
