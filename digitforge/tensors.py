"""The types of the Open Inference Protocol's tensors, and the raw form of those that are not NumPy's own."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# BF16, which the protocol has as well, is no type of NumPy's. Of BYTES, an element is a Python object.
DTYPES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(kind)
    for name, kind in {
        "BOOL": np.bool_,
        "UINT8": np.uint8,
        "UINT16": np.uint16,
        "UINT32": np.uint32,
        "UINT64": np.uint64,
        "INT8": np.int8,
        "INT16": np.int16,
        "INT32": np.int32,
        "INT64": np.int64,
        "FP16": np.float16,
        "FP32": np.float32,
        "FP64": np.float64,
        "BYTES": np.object_,
    }.items()
}
DATATYPES: Mapping[np.dtype[Any], str] = {dtype: name for name, dtype in DTYPES.items()}
LENGTH = struct.Struct("<I")  # before each element of BYTES


def pack(elements: Iterable[bytes]) -> bytes:
    """The raw form of BYTES."""
    return b"".join(part for element in elements for part in (LENGTH.pack(len(element)), element))


def unpack(data: bytes) -> list[bytes]:
    """The elements of BYTES in their raw form.

    Raises:
        ValueError: It ends within one, which the message names by its number.
    """
    elements: list[bytes] = []
    place = 0
    while place < len(data):
        start = place + LENGTH.size
        place = start + LENGTH.unpack_from(data, place)[0] if start <= len(data) else start
        if place > len(data):
            raise ValueError(f"ends within its element {len(elements)}")
        elements.append(data[start:place])
    return elements
