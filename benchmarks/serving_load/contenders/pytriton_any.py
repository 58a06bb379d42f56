"""PyTriton with any ONNX model: Triton's server in front of Python processes, with its dynamic batching.

MODEL=... WORKERS=2 python pytriton_any.py GRPC_PORT
"""

import os
import sys

import numpy as np
from onnx_model import OnnxModel
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


class Model:
    """Runs a batch of rows, in a process of its own."""

    def __init__(self) -> None:
        self.model = OnnxModel(os.environ["MODEL"])

    @batch
    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        return self.model.run(inputs)


if __name__ == "__main__":
    port = int(sys.argv[1])
    models = [Model() for _ in range(int(os.environ["WORKERS"]))]
    config = TritonConfig(grpc_port=port, http_port=port + 1, metrics_port=port + 2, log_verbose=0)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="model",
            infer_func=[model.__call__ for model in models],
            inputs=[Tensor(name=name, dtype=of, shape=shape) for name, (of, shape) in models[0].model.inputs.items()],
            outputs=[Tensor(name=name, dtype=of, shape=shape) for name, (of, shape) in models[0].model.outputs.items()],
            config=ModelConfig(max_batch_size=1024, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        )
        triton.serve()
