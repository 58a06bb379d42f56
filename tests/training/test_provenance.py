"""Which commit a run is said to come from."""

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from training import provenance


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Of another source, within which this one is installed."""
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    (tmp_path / "installed").mkdir()
    shutil.copy(provenance.__file__, tmp_path / "installed")
    return tmp_path


def git(where: Path, *arguments: str) -> str:
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    return subprocess.run(
        ["git", *who, *arguments], cwd=where, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit(where: Path) -> None:
    git(where, "commit", "--quiet", "--allow-empty", "--message", "a commit")


def said_in(checkout: Path) -> str:
    said: str = runpy.run_path(str(checkout / "installed" / "provenance.py"))["source_commit"]()
    return said


def test_commit_of_another_source_around_an_installed_one_is_not_its_own(checkout: Path) -> None:
    assert said_in(checkout) == "unknown"


def test_commit_is_that_of_the_checkout_and_says_whether_files_differ(checkout: Path) -> None:
    git(checkout, "add", ".")
    commit(checkout)
    head = git(checkout, "rev-parse", "HEAD")
    assert said_in(checkout) == head
    (checkout / "untracked").touch()
    assert said_in(checkout) == head
    with (checkout / "installed" / "provenance.py").open("a") as file:
        file.write("# changed\n")
    assert said_in(checkout) == f"{head}-dirty"


def test_asking_for_the_commit_writes_nothing_into_the_checkout(checkout: Path) -> None:
    git(checkout, "add", ".")
    commit(checkout)
    os.utime(checkout / "installed" / "provenance.py", (0, 0))  # git status would note it in the index
    before = (checkout / ".git" / "index").read_bytes()
    said_in(checkout)
    assert (checkout / ".git" / "index").read_bytes() == before
