"""What takes long to make and is only looked at: made once for all of pytest's processes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of this session that the first process to ask for it makes, while the others wait.

    Args:
        temporary: pytest's `tmp_path_factory`.
        name: The folder's, unlike that of any other.
        make: Fills the folder, which is there and empty.

    Returns:
        The folder. It belongs to all processes: nobody may write to it.
    """
    shared = temporary.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # each of xdist's processes has its own folder in that of the session
    folder, made = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one who failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
