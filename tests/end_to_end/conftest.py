"""Real server processes, and clients of them that have nothing of ours but the contract."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from digitforge import Client
from protos.digits.v1 import digits_pb2_grpc
from tests.end_to_end.awaited_client import AwaitedClient
from tests.end_to_end.command import Command
from tests.end_to_end.failing_server import FailingDigits, served
from tests.processes import PATIENCE_S, ROOT, Server, end, environment, start

TRANSPORTS = ("http2", "grpcio")  # the usual one first


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test with a server runs on both transports, unless it is marked as one of what a client does with any."""
    if "transport" in metafunc.fixturenames:
        names = TRANSPORTS[:1] if metafunc.definition.get_closest_marker("any_transport") else TRANSPORTS
        metafunc.parametrize("transport", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def start_server(model_repository: Path, tmp_path: Path, transport: str) -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own: `start_server(*flags, repository=...)`."""
    servers: list[Server] = []

    def start_one(*flags: str, repository: Path = model_repository) -> Server:
        servers.append(start(repository, tmp_path / f"stderr-{len(servers)}", "--transport", transport, *flags))
        return servers[-1]

    yield start_one
    for server in servers:
        end(server)


@pytest.fixture(scope="session")
def address(model_repository: Path, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[str]:
    """Of a server of two versions of a class-conditional model, for all tests together."""
    flags = ("--transport", transport, "--versions", "1", "--versions", "2")
    server = start(model_repository, tmp_path_factory.mktemp("server") / "stderr", *flags)
    yield server.address
    end(server)


@pytest.fixture(scope="session")
def classless_address(
    classless_repository: Path, tmp_path_factory: pytest.TempPathFactory, transport: str
) -> Iterator[str]:
    """Of a server of a model without classes."""
    stderr = tmp_path_factory.mktemp("classless-server") / "stderr"
    server = start(classless_repository, stderr, "--transport", transport)
    yield server.address
    end(server)


@pytest.fixture
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    """A client of the shared server."""
    return digits_pb2_grpc.DigitsStub(channel)


@pytest.fixture
def classless_stub(classless_address: str) -> Iterator[Any]:
    with grpc.insecure_channel(classless_address) as channel:
        yield digits_pb2_grpc.DigitsStub(channel)


@pytest.fixture
def connect() -> Iterator[Callable[[str], Any]]:
    """A client of the server at an address, with a connection of its own."""
    channels: list[grpc.Channel] = []

    def connect_to(address: str) -> Any:
        # Without a pool of its own, a channel shares its connection with others to the same address.
        channels.append(grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]))
        return digits_pb2_grpc.DigitsStub(channels[-1])

    yield connect_to
    for channel in channels:
        channel.close()


@pytest.fixture(params=[Client, AwaitedClient])
def client_to(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Makes clients, of both kinds in turn; they are closed with the test."""
    with ExitStack() as clients:
        yield lambda *arguments, **options: clients.enter_context(request.param(*arguments, **options))


@pytest.fixture
def failing() -> FailingDigits:
    """What the server at `failing_address` does, which a test may change."""
    return FailingDigits()


@pytest.fixture
def failing_address(failing: FailingDigits) -> Iterator[str]:
    with served(failing) as address:
        yield address


def details_in(status: status_pb2.Status) -> list[Message]:
    """The `google.rpc` details of a status."""
    found: list[Message] = []
    for detail in status.details:
        message = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])()
        assert detail.Unpack(message)
        found.append(message)
    return found


@pytest.fixture
def refusal() -> Callable[..., tuple[grpc.StatusCode, str, list[Message]]]:
    """Makes a call that must be refused: its status, its message, and its details as clients find them."""

    def refusal_of(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, list[Message]]:
        with pytest.raises(grpc.RpcError) as raised:
            call()
        error: Any = raised.value
        packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if packed is None:
            return error.code(), error.details(), []
        status = status_pb2.Status.FromString(packed)
        assert (status.code, status.message) == (error.code().value[0], error.details())
        return error.code(), error.details(), details_in(status)

    return refusal_of


@pytest.fixture
def details_of() -> Callable[[status_pb2.Status], list[Message]]:
    return details_in


@pytest.fixture
def run_module() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of our modules as a command to its end: `run_module("digitforge", "score", ...)`."""

    def run(module: str, *arguments: Any, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=ROOT, env=environment() | variables, capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip

    return run


@pytest.fixture
def digitforge(run_module: Callable[..., subprocess.CompletedProcess[str]], address: str) -> Command:
    """Runs a command of the client against the shared server."""

    def run(command: str, *options: Any) -> subprocess.CompletedProcess[str]:
        return run_module("digitforge", command, "--address", address, *options)

    return run


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody answers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and never listened on
        yield f"127.0.0.1:{closed.getsockname()[1]}"
