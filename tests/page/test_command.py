"""The page's command, by itself and with a server beside it."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from digitforge.extras import MODULES
from page.command import main
from tests.processes import PATIENCE_S, ROOT, end, environment, start_page


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "page", *options]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S)


def test_port_that_is_taken_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = run("--port", port)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert f"127.0.0.1 port {port}: Address already in use" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--allowed-origin", "example.org"], "'example.org' is no origin"),
        (["--port", "70000"], "--port"),
        (["--with-server", "--address", "a:1,b:2"], "--with-server starts one server"),
    ],
)
def test_wrong_options_are_named(options: list[str], words: str) -> None:
    result = run(*options)
    assert result.returncode == 2
    assert words in result.stderr


def test_training_without_its_extra_is_refused_before_a_visitor_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "train", (*MODULES["train"], "no_such_module"))
    with pytest.raises(SystemExit, match=r"--allow-training needs the extra 'train'"):
        main(["--allow-training"])


@pytest.mark.parametrize(("options", "installs_it"), [("--port 0", False), ("--port 0 --allow-training", True)])
def test_demo_installs_what_training_needs_where_visitors_may_train(
    options: str, installs_it: bool, tmp_path: Path
) -> None:
    command = ["make", "--dry-run", f"VENV={tmp_path}", f"DEMO_ARGS={options}", "demo"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"digitforge-page --with-server {options}" in made.stdout
    assert ('".[train]"' in made.stdout) is installs_it


def test_server_beside_the_page_serves_and_ends_with_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    page = start_page(address, tmp_path / "stderr", "--with-server")
    try:
        assert any("serves on" in line for line in page.greeting)
        (model,) = httpx.get(f"{page.address}/v1/models", timeout=PATIENCE_S).json()["models"]
        assert len(model["digest"]) == 64
        assert page.stop() == 0
        host, _, port = address.partition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
    finally:
        end(page)


def test_page_without_its_server_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    page = start_page(address, tmp_path / "stderr", "--timeout-s", "2")
    try:
        refused = httpx.get(f"{page.address}/v1/models", timeout=PATIENCE_S)
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
    finally:
        end(page)
