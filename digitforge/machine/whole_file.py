"""Files that are complete as soon as they have their name, and errors that say why one could not be written.

with whole_file(folder / "report.html") as file:
    file.write(page)
"""

import errno
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

UNITS = ("bytes", "kB", "MB", "GB", "TB")


class NotWrittenError(OSError):
    """A file that could not be written; the message names it, says why, and what would be needed."""


@contextmanager
def whole_file(path: Path, sync: bool = True) -> Iterator[BinaryIO]:
    """Take a file's content and write it once that is complete.

    It is collected in memory, so that it is known how much room it needs; written beside, as `.partial`; brought to the
    disk; and renamed into place. Whenever the process dies, the old file or the new one is there; what goes wrong while
    it is written leaves the old one, and nothing beside it. Of a link it is the target that is replaced.

    Args:
        path: The file; its folder must be there.
        sync: Wait for the disk. Without, a file may be lost, or be empty, where the machine itself goes down.

    Raises:
        NotWrittenError: The disk is full, the folder gone or not to be written to.
    """
    content = io.BytesIO()
    yield content
    path = path.resolve() if path.is_symlink() else path
    beside = path.with_suffix(".partial")
    with naming(path, content.tell()):
        try:
            with beside.open("wb") as file:
                file.write(content.getbuffer())
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise


def write_whole(path: Path, content: str | bytes, sync: bool = True) -> None:
    """A text as UTF-8, or bytes, by `whole_file`."""
    with whole_file(path, sync) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def naming(path: Path, size: int = 0) -> Iterator[None]:
    """Within it, an error of writing says what could not be written and why.

    Args:
        path: The file or folder that is written to.
        size: Bytes that it needs; 0 where nobody knows.

    Raises:
        NotWrittenError: In the place of an OSError that has to do with writing.
    """
    try:
        yield
    except NotWrittenError:
        raise
    except OSError as error:
        if (why := _why(path, error, size)) is None:
            raise
        raise NotWrittenError(f"{path} cannot be written: {why}") from error


def _why(path: Path, error: OSError, size: int) -> str | None:
    needed = f"{tell_size(size)} are needed" if size else ""
    there = next(place for place in (path, *path.parents, Path()) if place.exists())
    there = there.resolve()
    folder = there if there.is_dir() else there.parent
    match error.errno:
        case errno.ENOSPC:
            free = f"{tell_size(shutil.disk_usage(folder).free)} are free in {folder}"
            return f"the disk is full: {needed + ', ' if needed else ''}{free}"
        case errno.EDQUOT:
            return "the disk's quota is used up" + (f": {needed}" if needed else "")
        case errno.EFBIG:
            return "it is larger than a file may be here (ulimit -f)" + (f": {needed}" if needed else "")
        case errno.EROFS:
            return f"{folder} is on a file system that is read-only"
        case errno.EACCES | errno.EPERM:
            return f"there is no permission to write in {folder}"
        case errno.ENOENT:
            missing = (place for place in (*reversed(path.parents), path) if not place.exists())
            return f"there is no folder {next(missing, path.parent)} any more"
        case errno.ENOTDIR:
            return f"{there} is no folder"
        case errno.EISDIR:
            return "a folder has its name"
    return None


def tell_size(size: int) -> str:
    """Such as `84.2 kB`."""
    value, unit = float(size), UNITS[0]
    for unit in UNITS:
        if value < 1000 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{size:,} {unit}" if unit == UNITS[0] else f"{value:.3g} {unit}"
