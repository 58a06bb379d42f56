"""Checks of data files in the IDX format, in which MNIST and its relatives come, before anything reads them.

Format (Y. LeCun's MNIST page): two zero bytes, a type code (8: unsigned byte, 12: int32), the number of dimensions,
each dimension as a big-endian uint32, then the values.
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

ITEM_SIZES = {8: 1, 12: 4}


class DataFileError(Exception):
    """A data file that is truncated, corrupt or another file than its name says."""


@dataclass(frozen=True)
class IdxFile:
    """What a file must be: its shape, its type code and, where one is known, the MD5 of its bytes."""

    name: str
    shape: tuple[int, ...]
    type_code: int = 8
    md5: str | None = None

    @property
    def size(self) -> int:
        items = 1
        for length in self.shape:
            items *= length
        return self.header_size + items * ITEM_SIZES[self.type_code]

    @property
    def header_size(self) -> int:
        return 4 + 4 * len(self.shape)

    def check(self, folder: Path) -> None:
        """Raises DataFileError, which names the file and what was expected of it, if the file is not that."""
        path = folder / self.name
        with path.open("rb") as file:
            header = file.read(self.header_size)
        expected = struct.pack(f">BBBB{len(self.shape)}I", 0, 0, self.type_code, len(self.shape), *self.shape)
        if header != expected:
            raise DataFileError(
                f"{path} is not the file that its name says: expected an IDX header for "
                f"{'x'.join(map(str, self.shape))} items ({expected.hex()}), found {header.hex() or 'nothing'}"
            )
        size = path.stat().st_size
        if size != self.size:
            what = "truncated" if size < self.size else "too long"
            raise DataFileError(f"{path} is {what}: expected {self.size:,} bytes, found {size:,}")
        if self.md5 is not None:
            found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            if found != self.md5:
                raise DataFileError(f"{path} is corrupt or another file: expected MD5 {self.md5}, found {found}")
