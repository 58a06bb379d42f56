"""The rules of docs/architecture.md that a machine can check."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_rooms_import_only_what_they_may() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_starting_the_server_and_the_client_imports_no_torch() -> None:
    code = (
        "import sys, serving.command, serving.process.worker, digitforge.command; "
        "print([name for name in ('torch', 'torchvision', 'training', 'evaluation', 'export', 'onnx') "
        "if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_servers_parent_loads_nothing_that_a_fork_must_not_share_and_keeps_no_thread() -> None:
    code = (
        "import sys, threading, serving.command; "
        "print([name for name in ('grpc', 'numpy', 'onnxruntime', 'uvloop', 'ngh2') if name in sys.modules], "
        "threading.active_count())"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[] 1"
