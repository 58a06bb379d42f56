"""A server on a Unix socket, as its clients reach it."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from benchmarks.serving_load.processes import family
from digitforge import Client, UnreachableError

StartServer = Callable[..., Any]


@pytest.fixture
def flags(tmp_path: Path, transport: str) -> tuple[str, ...]:
    workers = "1" if transport == "grpcio" else "2"
    return ("--host", f"unix:{tmp_path}/digits", "--workers", workers, "--grace-s", "60")


def test_clients_and_commands_reach_it_and_its_file_goes_with_it(
    start_server: StartServer,
    client_to: Callable[..., Client],
    run_module: Callable[..., CompletedProcess[str]],
    flags: tuple[str, ...],
    tmp_path: Path,
) -> None:
    server = start_server(*flags)
    assert server.address == f"unix:{tmp_path}/digits"
    client = client_to(server.address)
    assert len(client.generate(3, seed=1).images) == 3
    assert run_module("digitforge", "health", "--address", server.address).returncode == 0
    assert server.stop() == 0
    assert not (tmp_path / "digits").exists()
    assert server.stderr.read_text() == ""


def test_second_server_is_refused_while_the_first_lives_and_replaces_its_socket_once_it_is_dead(
    start_server: StartServer, run_module: Callable[..., CompletedProcess[str]], flags: tuple[str, ...],
    model_repository: Path, transport: str, tmp_path: Path,
) -> None:  # fmt: skip
    first = start_server(*flags)
    others = ("--model-repository", model_repository, "--transport", transport, *flags)
    refused = run_module("serving", *others)
    assert refused.returncode == 1
    assert re.search(rf"cannot listen on unix:{tmp_path}/digits: Address already in use", refused.stderr)
    for pid in reversed(family(first.process.pid)):
        os.kill(pid, signal.SIGKILL)
    first.process.wait(60)
    second = start_server(*flags)
    with Client(second.address) as client:
        assert len(client.generate(3, seed=1).images) == 3
    assert second.stop() == 0


def test_workers_are_replaced_and_the_socket_stays(start_server: StartServer, flags: tuple[str, ...]) -> None:
    server = start_server(*flags)
    server.process.send_signal(signal.SIGHUP)
    assert "one after the other" in server.process.stdout.readline()
    assert "have been replaced" in server.process.stdout.readline()
    with Client(server.address, timeout_s=20) as client:
        assert len(client.generate(3, seed=1).images) == 3
    assert server.stop() == 0
    assert server.stderr.read_text() == ""


def test_unix_socket_among_several_addresses_is_refused() -> None:
    with pytest.raises(ValueError, match="'unix:/run/digits' is a Unix socket, which stands alone"):
        Client("localhost:50051,unix:/run/digits")


def test_socket_where_nobody_listens_is_told(client_to: Callable[..., Client], tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=f"no server at unix:{tmp_path}/digits"):
        client_to(f"unix:{tmp_path}/digits", timeout_s=2).generate(1)
