"""Where a run comes from: its name in the world and the source that made it."""

import secrets
import subprocess
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__)


def new_run_id(preset: str, dataset: str) -> str:
    """Such as `20261123T101500Z-default-mnist-3f9a`: sorts by time and is told apart from any other."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{preset}-{dataset}-{secrets.token_hex(2)}"


def source_commit() -> str:
    """The commit of this source, with `-dirty` behind it if files differ from it; `unknown` outside a git checkout."""
    try:
        _git(
            "ls-files", "--error-unmatch", HERE.name
        )  # an installed package may lie within a checkout of another source
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changes else commit


def _git(*arguments: str) -> str:
    """What git says of the checkout, in which it writes nothing: a `git status` would, and be in the way of another."""
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout.strip()
