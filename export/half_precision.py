"""A graph in half precision (float16), for GPUs with fast arithmetic in it: half the memory to read, the same layers.

By ONNX Runtime's own converter. Pixels come in and go out in float32: of 255 levels float16 keeps an eighth, which
would move roundings, and a tanh near -1 or 1 more than that.
"""

import copy

import onnx

from digitforge.machine import onnx_runtime  # noqa: F401  (before onnxruntime)
from export.layers import outside_layers

from onnxruntime.transformers.float16 import convert_float_to_float16  # isort: skip
from onnxruntime.transformers.onnx_model import OnnxModel  # isort: skip


def to_half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with layers in float16 from the first to the last; inputs, outputs and all around them stay."""
    outside = outside_layers(model.graph)
    model = copy.deepcopy(model)
    inside = [node for node in model.graph.node if node.name not in outside]
    outputs = list(model.graph.output)
    # The converter casts every float tensor that it knows to float16 and, for a node that stays in float32, back again:
    # hide from it what no node of the layers makes or reads.
    known = {name for node in inside for name in (*node.input, *node.output)}
    known -= {tensor.name for tensor in model.graph.initializer}
    for values in (model.graph.value_info, model.graph.output):
        kept = [value for value in values if value.name in known]
        del values[:]
        values.extend(kept)
    converted = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True, node_block_list=outside)
    del converted.graph.output[:]
    converted.graph.output.extend(outputs)
    del converted.graph.value_info[:]  # readers infer them
    OnnxModel.graph_topological_sort(converted.graph)  # the converter appends its casts at the end
    return converted
