"""Small ONNX models that nobody trained, for tests of what any model is served by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str | None]
Typed = tuple[str, int, Shape]  # a name, a type of TensorProto, and sizes; a name for one leaves it open
FLOAT, HALF, INT64, TEXT = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.STRING


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Typed],
    outputs: Sequence[Typed],
    **weights: np.ndarray,
) -> Path:
    """Write a model that the checker approves, into a folder that is made."""
    graph = helper.make_graph(
        nodes,
        "made-for-a-test",
        [helper.make_tensor_value_info(*each) for each in inputs],
        [helper.make_tensor_value_info(*each) for each in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def conv_net(path: Path) -> Path:
    """A convolution and a mean, for a batch of exactly two: `x` float32[2, 1, 4, 4] -> `y` float32[2, 3]."""
    nodes = [
        helper.make_node("Conv", ["x", "kernels"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["maps", "axes"], ["y"], keepdims=0),
    ]
    kernels = np.random.default_rng(0).standard_normal((3, 1, 3, 3)).astype(np.float32)
    return save(
        path, nodes, [("x", FLOAT, [2, 1, 4, 4])], [("y", FLOAT, [2, 3])], kernels=kernels, axes=np.array([2, 3])
    )


def two_inputs(path: Path) -> Path:
    """`total` = `a` + `b` and `difference` = `a` - `b`, float32[batch, 3] all."""
    nodes = [helper.make_node("Add", ["a", "b"], ["total"]), helper.make_node("Sub", ["a", "b"], ["difference"])]
    shape: Shape = ["batch", 3]
    outputs = [("total", FLOAT, shape), ("difference", FLOAT, shape)]
    return save(path, nodes, [("a", FLOAT, shape), ("b", FLOAT, shape)], outputs)


def half(path: Path) -> Path:
    """`y` = 2 `x`, float16[batch, 4]."""
    node = helper.make_node("Add", ["x", "x"], ["y"])
    return save(path, [node], [("x", HALF, ["batch", 4])], [("y", HALF, ["batch", 4])])


def lookup(path: Path) -> Path:
    """Ten squares by their places: `place` int64[batch] -> `square` int64[batch]; other places are an error."""
    node = helper.make_node("Gather", ["squares", "place"], ["square"])
    return save(path, [node], [("place", INT64, ["batch"])], [("square", INT64, ["batch"])], squares=np.arange(10) ** 2)


def joined_texts(path: Path) -> Path:
    """`text` = `first` + `second`, string[batch]."""
    node = helper.make_node("StringConcat", ["first", "second"], ["text"])
    return save(path, [node], [("first", TEXT, ["batch"]), ("second", TEXT, ["batch"])], [("text", TEXT, ["batch"])])


def centred(path: Path) -> Path:
    """`y` = `x` less the mean of all rows, float32[batch, 2]: each row's answer depends on the others."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    return save(path, nodes, [("x", FLOAT, ["batch", 2])], [("y", FLOAT, ["batch", 2])], axes=np.array([0]))


def row_sums(path: Path) -> Path:
    """`total` float32[batch] of the rows of `x` float32[batch, length]."""
    node = helper.make_node("ReduceSum", ["x", "axes"], ["total"], keepdims=0)
    return save(path, [node], [("x", FLOAT, ["batch", "length"])], [("total", FLOAT, ["batch"])], axes=np.array([1]))


def echo(path: Path, dtype: np.dtype[Any]) -> Path:
    """`y` = `x`, of a type, [batch, 2]."""
    kind, shape = helper.np_dtype_to_tensor_dtype(dtype), ("batch", 2)
    return save(path, [helper.make_node("Identity", ["x"], ["y"])], [("x", kind, shape)], [("y", kind, shape)])
