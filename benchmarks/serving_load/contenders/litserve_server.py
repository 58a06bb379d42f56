"""LitServe: HTTP by FastAPI, batches of requests in worker processes. The body is `{"n": ...}`, the answer raw pixels.

MODEL=... WORKERS=2 python litserve_server.py PORT
"""

import os
import sys

import litserve
from fastapi import Response
from onnx_generator import OnnxGenerator


class Generator(litserve.LitAPI):
    """Runs the images of all requests of a batch at once."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.model = OnnxGenerator(os.environ["MODEL"])

    def decode_request(self, request: dict[str, int]) -> int:
        return request["n"]

    def batch(self, inputs: list[int]) -> list[int]:
        return inputs

    def predict(self, x: list[int]) -> list[bytes]:
        return self.model.draw_each(x)

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="application/octet-stream")


if __name__ == "__main__":
    api = Generator(max_batch_size=64, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]))
    server.run(port=int(sys.argv[1]), num_api_servers=int(os.environ["WORKERS"]), generate_client_file=False)
