"""The rules of docs/architecture.md that a machine can check."""

import subprocess
import sys
from pathlib import Path

import pytest

import digitforge

ROOT = Path(__file__).parent.parent


def test_rooms_import_only_what_they_may() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def loaded_by(code: str, *names: str) -> str:
    """Which of these modules are loaded once the code has run."""
    code = f"import sys; {code}; print([name for name in {names} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_starting_the_server_and_the_client_imports_no_torch() -> None:
    code = "import serving.command, serving.process.worker, digitforge.command"
    assert loaded_by(code, "torch", "torchvision", "training", "evaluation", "export", "onnx") == "[]"


def test_ground_floor_loads_nothing_of_the_client_before_it_is_asked_for() -> None:
    assert loaded_by("import digitforge, digitforge.machine.cores", "grpc", "numpy", "google.protobuf") == "[]"


def test_client_loads_no_onnx_runtime() -> None:
    code = "from digitforge import AsyncClient, Client"
    assert loaded_by(code, "digitforge.client", "onnxruntime", "torch", "serving") == "['digitforge.client']"


def test_all_that_the_library_offers_is_there_and_nothing_else() -> None:
    assert set(digitforge.__all__) <= set(dir(digitforge))
    for name in digitforge.__all__:
        assert getattr(digitforge, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'digitforge' has no attribute 'Server'"):
        digitforge.Server  # noqa: B018


def test_the_servers_parent_loads_nothing_that_a_fork_must_not_share_and_keeps_no_thread() -> None:
    code = "import threading, serving.command; assert threading.active_count() == 1"
    assert loaded_by(code, "grpc", "numpy", "PIL", "onnxruntime", "uvloop", "ngh2") == "[]"
