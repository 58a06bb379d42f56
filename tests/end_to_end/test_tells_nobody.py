"""What the server and the exporter tell anybody, and what they leave behind, as the system sees it: nothing unasked.

ONNX Runtime would look up its maker's hosts, and keep a device's id under HOME. strace sees a process's calls of the
system, whichever library makes them.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from protos.digits.v1 import digits_pb2 as pb
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import PRESETS

ROOT = Path(__file__).parents[2]
SMALL = PRESETS["default"].with_options(
    {"dataset": "sklearn-digits", "generator_hidden": "8,8", "generator_channels": "0", "detector_channels": "1"}
)
PATIENCE_S = 250  # a traced exporter on a busy machine
TRACED = "connect,sendto,sendmsg,sendmmsg,?open,openat,?creat,?mkdir,mkdirat"  # ?: where the machine has it
STRACE = ("strace", "--follow-forks", "--seccomp-bpf", "--quiet=all", "-e", f"trace={TRACED}")
ADDRESSED = re.compile(r"sa_family=AF_INET6?\b.*")
WRITTEN = re.compile(r'open(?:at)?\([^"]*"([^"]*)", \S*O_(?:WRONLY|RDWR|CREAT)|(?:creat|mkdir(?:at)?)\([^"]*"([^"]*)"')


def can_trace() -> bool:
    try:
        return subprocess.run([*STRACE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not can_trace(), reason="needs strace (Debian: strace), and leave to trace")


class Traced:
    """A process in an empty folder, which is its HOME and place for temporary files too.

    Attributes:
        folder: That folder.
        process: strace's.
    """

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder, self._trace = folder, folder.with_suffix(".strace")
        folder.mkdir()
        kept = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ}
        variables = {
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.process = subprocess.Popen(
            [*STRACE, "--output", str(self._trace), sys.executable, "-m", *command],
            cwd=folder, env=kept | variables, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def stop(self) -> None:
        """Ask the traced process to stop; strace passes no signal on."""
        os.kill(int(self._trace.read_text().split(maxsplit=1)[0]), signal.SIGTERM)

    def end(self) -> None:
        """Whatever still runs of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def calls(self) -> list[str]:
        assert self.process.wait(PATIENCE_S) == 0
        lines = self._trace.read_text().splitlines()
        assert any("openat(" in line for line in lines)  # it did trace
        return lines

    def addressed(self) -> list[str]:
        """What was sent or connected to an address of the internet's protocols."""
        return [found[0] for line in self.calls() if (found := ADDRESSED.search(line))]

    def written(self) -> set[str]:
        """Files and folders that were made, or opened to be written to."""
        found = [WRITTEN.search(line) for line in self.calls() if "ENOENT" not in line]
        paths = {os.path.normpath(self.folder / (match[1] or match[2])) for match in found if match}
        return {path for path in paths if not path.startswith(("/dev/", "/proc/"))}


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Callable[..., Traced]]:
    """Starts one of our modules: `trace("serving", "--port", "0")`."""
    with ExitStack() as ends:

        def start(*command: str | Path) -> Traced:
            traced = Traced(tmp_path / "folder", *map(str, command))
            ends.callback(traced.end)
            return traced

        yield start


def test_server_connects_to_nobody_and_writes_nothing(
    model_repository: Path, trace: Callable[..., Traced], connect: Callable[[str], Any]
) -> None:
    flags = ("--port", "0", "--device", "cpu", "--workers", "1", "--model-repository", model_repository)
    server = trace("serving", *flags)
    assert server.process.stdout
    server.process.stdout.readline()
    address = server.process.stdout.readline().split(" serves on ")[1].split()[0]
    assert len(connect(address).Generate(pb.GenerateRequest(n=3)).images) == 3
    server.stop()
    assert server.addressed() == []
    assert server.written() == set()


def test_exporter_connects_to_nobody_and_writes_the_version_alone(
    run_of: Callable[..., Checkpoint], trace: Callable[..., Traced], tmp_path: Path
) -> None:
    run, repository = tmp_path / "run", tmp_path / "models"
    run.mkdir()
    save_checkpoint(run_of(SMALL), run)
    exporter = trace("export", run, "--model-repository", repository)
    assert exporter.addressed() == []
    left = {path for path in map(Path, exporter.written()) if path.is_file() and not path.is_relative_to(repository)}
    assert {path for path in left if "matplotlib" not in path.parts} == set()  # which keeps a list of fonts
