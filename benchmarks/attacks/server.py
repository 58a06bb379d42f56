"""The server that is attacked: started here, and seen from outside."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import ARTIFACTS
from benchmarks.serving_load.processes import family, resident_mb

SERVES = re.compile(r"serves on \S+:(\d+) ")
END_S = 30.0


class ServerError(Exception):
    """It does not start."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        process: Its parent process.
        port: On 127.0.0.1.
    """

    process: "subprocess.Popen[str]"
    port: int

    def resident_mb(self) -> float:
        """Of all of its processes together, in MB; what they share counts in each."""
        while True:
            with suppress(FileNotFoundError, ProcessLookupError):  # one ended while it was looked at
                return sum(resident_mb(self.process.pid))

    def workers(self) -> list[int]:
        """The processes that its parent has started."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return family(self.process.pid)[1:]
        return []

    def is_there(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


@contextmanager
def serving(repository: Path, transport: str, *options: str, name: str = "server") -> Iterator[Server]:
    """A server on a port of its own choice; what it says is in `artifacts/benchmarks/attacks/<name>.log`.

    Raises:
        ServerError: It does not start.
    """
    log = ARTIFACTS / "attacks" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "serving", "--port", "0", "--device", "cpu", "--transport", transport]
    command += ["--model-repository", str(repository.resolve()), *options]
    variables = {key: value for key, value in os.environ.items() if not key.upper().startswith("DIGITFORGE_")}
    with log.open("w") as errors:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout
    try:
        for line in process.stdout:
            if found := SERVES.search(line):
                yield Server(process, int(found[1]))
                return
        raise ServerError(f"the server ended with {process.wait()}; see {log}")
    finally:
        _end(process)
        process.stdout.close()


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()  # whose workers see that it is gone
            process.wait()
