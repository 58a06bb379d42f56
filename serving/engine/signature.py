"""What a model takes and gives, as its graph says: names, types and shapes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# ONNX Runtime's words for the types that NumPy has. Texts are arrays of Python's objects, all str.
DTYPES: Mapping[str, np.dtype[Any]] = {
    f"tensor({name})": np.dtype(kind)
    for name, kind in {
        "bool": np.bool_,
        "uint8": np.uint8,
        "uint16": np.uint16,
        "uint32": np.uint32,
        "uint64": np.uint64,
        "int8": np.int8,
        "int16": np.int16,
        "int32": np.int32,
        "int64": np.int64,
        "float16": np.float16,
        "float": np.float32,
        "double": np.float64,
        "string": np.object_,
    }.items()
}
ANY = -1


class UnservableError(Exception):
    """A model that cannot be served; the message says which of its tensors is in the way, and why."""


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Attributes:
        name: Its name.
        dtype: Its type; texts are `object`.
        shape: Its sizes; one that the graph leaves open is `ANY`.
        symbols: What the graph calls those that it leaves open; None where it has no name for one, or knows the size.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    symbols: tuple[str | None, ...]

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape is such a tensor."""
        return len(shape) == len(self.shape) and all(
            known in (ANY, size) for known, size in zip(self.shape, shape, strict=True)
        )


def tensors_of(nodes: Iterable[Any]) -> dict[str, Tensor]:
    """The inputs or the outputs of an ONNX Runtime session, by their names.

    Raises:
        UnservableError: One is no tensor, or of numbers that NumPy does not have.
    """
    tensors = {}
    for node in nodes:
        if (dtype := DTYPES.get(node.type)) is None:
            raise UnservableError(f"{node.name} is {node.type}; what is served are {', '.join(DTYPES)}")
        shape = tuple(size if isinstance(size, int) and size >= 0 else ANY for size in node.shape)
        symbols = tuple(size if isinstance(size, str) else None for size in node.shape)
        tensors[node.name] = Tensor(node.name, dtype, shape, symbols)
    return tensors


def why_not_by_rows(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> str:
    """Why rows of several callers cannot be run as one batch, as far as the graph tells; empty: they may be.

    All tensors need a first dimension that the graph leaves open, under one name where it has names. Of outputs,
    another size may be open only if an input's has its name: else it could depend on a neighbour's rows.
    """
    if not inputs or not outputs:
        return "it has no inputs or no outputs"
    everything = [*inputs.values(), *outputs.values()]
    for tensor in everything:
        if not tensor.shape or tensor.shape[0] != ANY:
            return f"{tensor.name} has the shape {list(tensor.shape)}, whose first size is not open"
    if len(names := {tensor.symbols[0] for tensor in everything} - {None}) > 1:
        return f"its first sizes have several names: {', '.join(sorted(map(str, names)))}"
    of_inputs = {name for tensor in inputs.values() for name in tensor.symbols[1:]} - {None}
    for tensor in outputs.values():
        for size, name in list(zip(tensor.shape, tensor.symbols, strict=True))[1:]:
            if size == ANY and name not in of_inputs:
                return f"{tensor.name} has the shape {list(tensor.shape)}, of which more than the first size is open"
    return ""
