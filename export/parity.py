"""A file's answers beside those of the PyTorch graph that it was made from, in float64.

Of every number: at most 1e-4 of it and 1e-5 more, pixels counted from 0 to 1 as they are before they are rounded. A
logit near 0 is the difference of large terms, and float32 rounds by their size: PyTorch's own float32 misses the bound
there (2 of 8,000 images of the shipped detector; ONNX Runtime the same two). So a number may also be off by twice what
PyTorch's float32 is at worst.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from export.errors import VerificationError
from export.float64 import CastsInFloat64, in_float64
from export.graphs import GeneratorGraph
from export.on_cpu import open_session, take
from export.signature import BATCH_DIMENSION

BATCHES = (1, 3, 64, 257)
RTOL, ATOL = 1e-4, 1e-5
FLOAT32_SHARE = 2.0  # of the largest error of PyTorch's own float32
LEVELS = 1  # of pixels: rounding may fall to either side of a half
WHITE = 255


@dataclass(frozen=True)
class Pixels:
    """How the rounded pixels of a generator differ from those of the graph in float64.

    Attributes:
        most: Levels, of 255, between the two at most.
        mean: Levels on average.
        differing: How many pixels are not the same.
        count: How many there are.
    """

    most: int
    mean: float
    differing: int
    count: int

    @classmethod
    def between(cls, found: np.ndarray, true: np.ndarray) -> "Pixels":
        """Of two uint8 arrays."""
        levels = np.abs(found.astype(np.int16) - true.astype(np.int16))
        return cls(int(levels.max()), float(levels.mean()), int((levels > 0).sum()), levels.size)

    def __str__(self) -> str:
        return (
            f"{self.differing:,} of {self.count:,} pixels differ, by {self.most} levels at most and "
            f"{self.mean:.2g} on average"
        )


def check_parity(path: Path, graph: nn.Module, inputs: Mapping[str, Tensor]) -> Pixels | None:
    """Compare all outputs at batches of 1, 3, 64 and 257, and of a generator the image before it is rounded.

    Args:
        path: The ONNX file.
        graph: In inference mode.
        inputs: By name; 257 rows or more.

    Returns:
        How the pixels differ at the largest batch; None for a model without.

    Raises:
        VerificationError: With the output, the batch, the largest difference and how many values are out of bounds.
    """
    model = onnx.load(path)
    names = [value.name for value in model.graph.output]
    unrounded = _expose_unrounded(model) if isinstance(graph, GeneratorGraph) else None
    session = open_session(model.SerializeToString())
    # The graph with one more output may be optimised otherwise: the outputs that count come from the file as it is.
    as_it_is = open_session(path)
    # Computed once: a row of PyTorch's in float64 depends on its batch by far less than the bounds.
    truths, float32 = _truths(graph, names, inputs)
    pixels = None
    for batch in BATCHES:
        rows = take({name: tensor.numpy() for name, tensor in inputs.items()}, slice(batch))
        answers = dict(zip(names, as_it_is.run(names, rows), strict=True))
        if unrounded is not None:
            (answers["before rounding"],) = session.run([unrounded], rows)
            answers["before rounding"] = answers["before rounding"] / WHITE
        for name, true in truths.items():
            if name == "images":
                pixels = Pixels.between(answers[name], true[:batch])
                if pixels.most > LEVELS:
                    raise VerificationError(f"{path}: images differs from PyTorch's at a batch of {batch}: {pixels}")
            else:
                _check_numbers(path, name, answers[name], true[:batch], float32[name][:batch])
    return pixels


def _check_numbers(path: Path, name: str, found: np.ndarray, true: np.ndarray, float32: np.ndarray) -> None:
    difference = np.abs(found.astype(np.float64) - true)
    own_error = float(np.abs(float32 - true).max())
    within = difference <= np.maximum(ATOL + RTOL * np.abs(true), FLOAT32_SHARE * own_error)  # NaN is not
    if not within.all():
        raise VerificationError(
            f"{path}: {name} differs from PyTorch's in float64 by up to {difference.max():.3g} at a batch of "
            f"{len(found)}, in {(~within).mean():.2%} of its values by more than {RTOL} of the value and {ATOL} "
            f"(PyTorch's own float32: {own_error:.3g})"
        )


@torch.no_grad()
def _truths(
    graph: nn.Module, names: Sequence[str], inputs: Mapping[str, Tensor]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """All outputs by name, in float64, and as PyTorch's float32 has them."""
    rows = [tensor[: max(BATCHES)] for tensor in inputs.values()]
    float32 = _outputs(graph, names, rows)
    with CastsInFloat64():
        wide = [tensor.double() if tensor.is_floating_point() else tensor for tensor in rows]
        truths = _outputs(in_float64(graph), names, wide)
    return truths, float32


def _outputs(graph: nn.Module, names: Sequence[str], rows: list[Tensor]) -> dict[str, np.ndarray]:
    if isinstance(graph, GeneratorGraph):
        return {"images": graph(*rows).numpy(), "before rounding": graph.before_rounding(*rows).numpy() / WHITE}
    return {name: tensor.numpy() for name, tensor in zip(names, graph(*rows), strict=True)}


def _expose_unrounded(model: onnx.ModelProto) -> str:
    """Make the image before it is rounded an output, float32[batch, 784], and return its name."""
    rounding = [node for node in model.graph.node if node.op_type == "Round"]
    if len(rounding) != 1:
        raise VerificationError(f"expected one node that rounds the pixels, found {len(rounding)}")
    name = rounding[0].input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [BATCH_DIMENSION, None]))
    return name
