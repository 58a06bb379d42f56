"""A graph with 8-bit integers in its matrix products, for CPUs.

Static: the scale of each activation is measured once, on calibration rows, and is in the file. With dynamic scales, one
for all rows of a batch, a caller's rows would change the answers to another's. Weights have a scale for each output
channel. What is rounded are the inputs and weights of a product; its sums leave it in float32, for the next layer to
round in its own way: rounding the sums before a tanh, or a LeakyReLU, costs quality and gains no time.

Weights have 7 bits, -64 to 64, and activations 8. x86 without VNNI adds two neighbouring products in a signed 16-bit
number, which cuts off what does not fit (the instruction PMADDUBSW); 2 * 255 * 64 does. So no sum is ever cut off, and
the integers are the same on every processor. With 8 bits, a file verified with VNNI gave other answers without.

Only matrix products: of convolutions, ONNX Runtime's CPU provider has no transposed one in integers, and the ordinary
ones here are too small to repay the conversions.
"""

import logging
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx

from digitforge.machine import onnx_runtime  # noqa: F401  (before onnxruntime)
from export.layers import layers_of
from export.on_cpu import take

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static  # isort: skip

PRODUCTS = ("Gemm", "MatMul")
LEAST_WEIGHTS = 4096  # of a product that gains time; the rounding of a smaller one costs accuracy alone
BATCH = 100  # calibration rows at a time


class NothingToQuantiseError(Exception):
    """A graph in which no layer would become integer."""


class CalibrationRows(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
    """Rows of a graph's inputs, a batch at a time."""

    def __init__(self, rows: Mapping[str, np.ndarray]) -> None:
        self._batches = _batches(rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._batches, None)


def to_int8(model: onnx.ModelProto, calibration: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """A copy with quantised matrix products, but for small ones, such as logits', and the one that reads latents.

    Latents have no bounds, and one beyond the calibrated range would be cut off (with that product, single pixels were
    off by 177 levels; without, by 44).

    Args:
        model: In float32.
        calibration: Rows of all inputs, of the kind that the model will see.

    Raises:
        NothingToQuantiseError: There is no other product.
    """
    layers = layers_of(model.graph)
    small = {tensor.name for tensor in model.graph.initializer if math.prod(tensor.dims) < LEAST_WEIGHTS}
    floats = {value.name for value in model.graph.input if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    left = [node.name for node in layers if floats.intersection(node.input) or node.input[1] in small]
    if not any(node.op_type in PRODUCTS and node.name not in left for node in layers):
        raise NothingToQuantiseError(f"{model.graph.name} has no matrix product that would gain from 8-bit integers")
    with tempfile.TemporaryDirectory() as folder, _quietly():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            CalibrationRows(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(PRODUCTS),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,  # of the weights
            nodes_to_exclude=left,
            extra_options={"OpTypesToExcludeOutputQuantization": list(PRODUCTS)},
        )
        return onnx.load(path)


def _batches(rows: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    count = len(next(iter(rows.values())))
    for start in range(0, count, BATCH):
        yield take(rows, slice(start, start + BATCH))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the advice to optimise the graph first, which the exporter has done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
