"""Real processes for tests: servers, and pages beside them."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60  # after which a test fails instead of hanging
ADDRESS = re.compile(r"serves on (\S+) ")
PAGE_ADDRESS = re.compile(r"shows its page at (\S+) ")


@dataclass
class Server:
    """A running process of a server or a page, and what it said of itself at its start."""

    process: subprocess.Popen[str]
    address: str
    stderr: Path
    greeting: list[str]

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def environment() -> dict[str, str]:
    """This process's, without settings of a server."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("DIGITFORGE_")}


def start(repository: Path, stderr: Path, *flags: str) -> Server:
    """A server on a port of its own choice, once it says that it serves."""
    where = ("--model-repository", str(repository))
    return _started(["serving", "--port", "0", "--device", "cpu", *where, *flags], stderr, ADDRESS)


def start_page(address: str, stderr: Path, *flags: str) -> Server:
    """A page beside the server at an address, on a port of its own choice, once it says that it is there."""
    return _started(["page", "--address", address, "--port", "0", *flags], stderr, PAGE_ADDRESS)


def _started(module: list[str], stderr: Path, greeting: re.Pattern[str]) -> Server:
    with stderr.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if found := greeting.search(line):
            return Server(process, found[1], stderr, lines)
    raise AssertionError(f"{module[0]} ended with {process.wait()}: {stderr.read_text()}")


def end(server: Server) -> None:
    if server.process.poll() is None:
        server.process.kill()
        server.process.wait()
    assert server.process.stdout
    server.process.stdout.close()
