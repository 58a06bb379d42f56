"""A file that is complete as soon as it has its name, whenever the process that writes it dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write it beside, as `.partial`, bring it to the disk and rename it into place."""
    beside = path.with_suffix(".partial")
    with beside.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
