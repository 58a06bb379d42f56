"""PyTriton: Triton's server in front of Python processes, with its dynamic batching. Latents in, images out.

MODEL=... WORKERS=2 python pytriton_server.py GRPC_PORT
"""

import os
import sys

import numpy as np
from onnx_generator import OnnxGenerator
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig


class Generator:
    """Runs a batch of latents, in a process of its own."""

    def __init__(self) -> None:
        self.model = OnnxGenerator(os.environ["MODEL"])

    @batch
    def __call__(self, z: np.ndarray, digit: np.ndarray | None = None) -> dict[str, np.ndarray]:
        return {"images": self.model.run(z, digit)}


if __name__ == "__main__":
    port = int(sys.argv[1])
    generators = [Generator() for _ in range(int(os.environ["WORKERS"]))]
    latent_size = generators[0].model.latent_size
    config = TritonConfig(grpc_port=port, http_port=port + 1, metrics_port=port + 2, log_verbose=0)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="generator",
            infer_func=[generator.__call__ for generator in generators],
            inputs=[
                Tensor(name="z", dtype=np.float32, shape=(latent_size,)),
                Tensor(name="digit", dtype=np.int64, shape=(1,), optional=True),
            ],
            outputs=[Tensor(name="images", dtype=np.uint8, shape=(28, 28))],
            config=ModelConfig(max_batch_size=1024, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
        )
        triton.serve()
