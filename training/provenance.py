"""Where a run comes from: its name in the world and the source that made it."""

import secrets
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def new_run_id(preset: str, dataset: str) -> str:
    """Such as `20261123T101500Z-default-mnist-3f9a`: sorts by time and is told apart from any other."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{preset}-{dataset}-{secrets.token_hex(2)}"


def source_commit() -> str:
    """The commit of this source, with `-dirty` behind it if files differ from it; `unknown` outside a git checkout."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changes.strip() else commit
