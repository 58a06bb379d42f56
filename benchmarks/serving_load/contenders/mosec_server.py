"""mosec: HTTP by its Rust front, workers with dynamic batching. The body is `n` in decimal, the answer raw pixels.

MODEL=... WORKERS=2 python mosec_server.py --port PORT
"""

import os
from typing import Any

import numpy as np
import onnxruntime
from mosec import Server, Worker


class Generator(Worker):
    """Runs the images of all requests of a batch at once."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.latent_size = self.session.get_inputs()[0].shape[1]
        self.has_classes = len(self.session.get_inputs()) > 1
        self.generator = np.random.default_rng()

    def deserialize(self, data: bytes) -> int:
        return int(data)

    def serialize(self, data: Any) -> bytes:
        return data

    def forward(self, data: list[int]) -> list[bytes]:
        total = sum(data)
        inputs = {"z": self.generator.standard_normal((total, self.latent_size), np.float32)}
        if self.has_classes:
            inputs["digit"] = np.arange(total).reshape(total, 1) % 10
        (images,) = self.session.run(None, inputs)
        ends = np.cumsum(data)
        return [images[end - n : end].tobytes() for n, end in zip(data, ends, strict=True)]


if __name__ == "__main__":
    server = Server()
    # As large a batch as gathers by itself; waiting for more made it slower.
    server.append_worker(Generator, num=int(os.environ["WORKERS"]), max_batch_size=64, max_wait_time=1)
    server.run()
