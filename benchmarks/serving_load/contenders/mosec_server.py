"""mosec: HTTP by its Rust front, workers with dynamic batching. The body is `n` in decimal, the answer raw pixels.

MODEL=... WORKERS=2 python mosec_server.py --port PORT
"""

import os
from typing import Any

from mosec import Server, Worker
from onnx_generator import OnnxGenerator


class Generator(Worker):
    """Runs the images of all requests of a batch at once."""

    def __init__(self) -> None:
        self.model = OnnxGenerator(os.environ["MODEL"])

    def deserialize(self, data: bytes) -> int:
        return int(data)

    def serialize(self, data: Any) -> bytes:
        return data

    def forward(self, data: list[int]) -> list[bytes]:
        return self.model.draw_each(data)


if __name__ == "__main__":
    server = Server()
    # As large a batch as gathers by itself; waiting for more made it slower.
    server.append_worker(Generator, num=int(os.environ["WORKERS"]), max_batch_size=64, max_wait_time=1)
    server.run()
