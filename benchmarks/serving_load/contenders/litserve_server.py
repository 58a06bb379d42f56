"""LitServe: HTTP by FastAPI, batches of requests in worker processes. The body is `{"n": ...}`, the answer raw pixels.

MODEL=... WORKERS=2 python litserve_server.py PORT
"""

import os
import sys
from typing import Any

import litserve
import numpy as np
import onnxruntime
from fastapi import Response


class Generator(litserve.LitAPI):
    """Runs the images of all requests of a batch at once."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.latent_size = self.session.get_inputs()[0].shape[1]
        self.has_classes = len(self.session.get_inputs()) > 1
        self.generator = np.random.default_rng()

    def decode_request(self, request: dict[str, int]) -> int:
        return request["n"]

    def batch(self, inputs: list[int]) -> list[int]:
        return inputs

    def predict(self, x: list[int]) -> list[bytes]:
        total = sum(x)
        inputs: dict[str, Any] = {"z": self.generator.standard_normal((total, self.latent_size), np.float32)}
        if self.has_classes:
            inputs["digit"] = np.arange(total).reshape(total, 1) % 10
        (images,) = self.session.run(None, inputs)
        ends = np.cumsum(x)
        return [images[end - n : end].tobytes() for n, end in zip(x, ends, strict=True)]

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="application/octet-stream")


if __name__ == "__main__":
    api = Generator(max_batch_size=64, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]))
    server.run(port=int(sys.argv[1]), num_api_servers=int(os.environ["WORKERS"]), generate_client_file=False)
