"""Ray Serve: HTTP by its proxy, replicas with dynamic batching. The body is `n` in decimal, the answer raw pixels.

MODEL=... WORKERS=2 python ray_server.py PORT
"""

import os
import sys
import time
from typing import Any

import numpy as np
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=int(os.environ["WORKERS"]), max_ongoing_requests=256)
class Generator:
    """Runs the images of all requests of a batch at once."""

    def __init__(self, model: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.latent_size = self.session.get_inputs()[0].shape[1]
        self.has_classes = len(self.session.get_inputs()) > 1
        self.generator = np.random.default_rng()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def images(self, counts: list[int]) -> list[bytes]:
        total = sum(counts)
        inputs: dict[str, Any] = {"z": self.generator.standard_normal((total, self.latent_size), np.float32)}
        if self.has_classes:
            inputs["digit"] = np.arange(total).reshape(total, 1) % 10
        (images,) = self.session.run(None, inputs)
        ends = np.cumsum(counts)
        return [images[end - n : end].tobytes() for n, end in zip(counts, ends, strict=True)]

    async def __call__(self, request: Request) -> Response:
        return Response(await self.images(int(await request.body())), media_type="application/octet-stream")


if __name__ == "__main__":
    workers = int(os.environ["WORKERS"])
    ray.init(num_cpus=workers + 1, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Generator.options(ray_actor_options={"num_cpus": 0.5}).bind(os.environ["MODEL"]))
    while True:
        time.sleep(60)
