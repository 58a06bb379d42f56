"""Any ONNX model in ONNX Runtime with one thread, as the alternatives serve it, each from an environment of its own."""

from typing import Any

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}


class OnnxModel:
    """A session of the model at a path; `inputs` and `outputs` are its tensors' types and shapes without the batch."""

    def __init__(self, model: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = {node.name: (TYPES[node.type], tuple(node.shape[1:])) for node in self.session.get_inputs()}
        self.outputs = {node.name: (TYPES[node.type], tuple(node.shape[1:])) for node in self.session.get_outputs()}

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """All outputs for a batch."""
        return dict(zip(self.outputs, self.session.run(list(self.outputs), inputs), strict=True))
