"""Well-formed IDX files for tests, of data sets that are not there."""

import os
import struct
from pathlib import Path

import torch

from training.data_sets.torchvision_sets import SOURCES


def write_idx(path: Path, shape: tuple[int, ...], body: bytes | None = None, type_code: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = torch.Size(shape).numel() * (4 if type_code == 12 else 1)
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, type_code, len(shape), *shape)
    path.write_bytes(header + (body or b""))
    if body is None:
        os.truncate(path, len(header) + size)  # zeros that take no place on the disk


def write_blank(folder: Path, name: str) -> None:
    """A data set of blank images, with well-formed files."""
    source = SOURCES[name]
    for file in source.files:
        write_idx(folder / source.raw / file.name, file.shape, type_code=file.type_code)
