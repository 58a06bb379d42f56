"""Data files in the IDX format, in which MNIST and its relatives come, compressed by gzip or not.

Format (Y. LeCun's MNIST page): two zero bytes, a type code (8: unsigned byte, 12: int32, and others), the number of
dimensions, each dimension as a big-endian uint32, then the values.
"""

import gzip
import hashlib
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data_sets.errors import DataFileError

GZIP = b"\x1f\x8b"
TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@dataclass(frozen=True)
class IdxFile:
    """What a file must be: its shape, its type code and, where one is known, the MD5 of its bytes, uncompressed."""

    name: str
    shape: tuple[int, ...]
    type_code: int = 8
    md5: str | None = None

    @property
    def size(self) -> int:
        return self.header_size + math.prod(self.shape) * np.dtype(TYPES[self.type_code]).itemsize

    @property
    def header_size(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def header(self) -> bytes:
        """What its first bytes are."""
        return struct.pack(f">BBBB{len(self.shape)}I", 0, 0, self.type_code, len(self.shape), *self.shape)

    def find(self, folder: Path) -> Path | None:
        """The file in a folder, under its name or as `train-images.idx3-ubyte`, each with `.gz` or without."""
        for name in (self.name, self.name.replace("-idx", ".idx")):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return path
        return None

    def read(self, path: Path) -> NDArray[np.generic]:
        """The values, in the file's shape.

        Raises:
            DataFileError: The file is not this one; the message names it and what was expected of it.
        """
        content = read_bytes(path)
        if (header := content[: self.header_size]) != self.header:
            raise DataFileError(
                f"{path} is not the file that its name says: expected an IDX header for "
                f"{'x'.join(map(str, self.shape))} items ({self.header.hex()}), found {header.hex() or 'nothing'}"
            )
        if len(content) != self.size:
            what = "truncated" if len(content) < self.size else "too long"
            raise DataFileError(f"{path} is {what}: expected {self.size:,} bytes, found {len(content):,}")
        self.check_md5(content, path)
        return np.frombuffer(content, TYPES[self.type_code], offset=self.header_size).reshape(self.shape)

    def check_md5(self, content: bytes, path: Path) -> None:
        """Raises DataFileError where the file's bytes, header included, are not those that they should be."""
        if self.md5 is None:
            return
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != self.md5:
            raise DataFileError(f"{path} is corrupt or another file: expected MD5 {self.md5}, found {found}")


def read_bytes(path: Path) -> bytes:
    """A file's bytes, uncompressed where it is compressed, whatever its name.

    Raises:
        DataFileError: What is compressed is damaged.
    """
    content = path.read_bytes()
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataFileError(f"{path} is truncated or corrupt: {error}") from error


def is_idx(path: Path) -> int:
    """The number of dimensions of an IDX file, by its first bytes; 0 of a file that is none or cannot be read."""
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == GZIP
        with gzip.open(path) if compressed else path.open("rb") as file:
            magic = file.read(4)
    except (OSError, EOFError, zlib.error):
        return 0
    return magic[3] if len(magic) == 4 and magic[:2] == b"\0\0" and magic[2] in TYPES else 0


def read_idx(path: Path) -> NDArray[np.generic]:
    """The values of any IDX file, in its shape.

    Raises:
        DataFileError: It is truncated or corrupt.
    """
    content = read_bytes(path)
    try:
        shape = struct.unpack_from(f">{content[3]}I", content, 4)
    except (IndexError, struct.error) as error:
        raise DataFileError(f"{path} is truncated: it ends in its header") from error
    return IdxFile(path.name, shape, content[2]).read(path)
