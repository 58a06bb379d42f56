"""Ray Serve: HTTP by its proxy, replicas with dynamic batching. The body is `n` in decimal, the answer raw pixels.

MODEL=... WORKERS=2 python ray_server.py PORT
"""

import os
import sys
import time

import ray
from onnx_generator import OnnxGenerator
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=int(os.environ["WORKERS"]), max_ongoing_requests=256)
class Generator:
    """Runs the images of all requests of a batch at once."""

    def __init__(self, model: str) -> None:
        self.model = OnnxGenerator(model)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def images(self, counts: list[int]) -> list[bytes]:
        return self.model.draw_each(counts)

    async def __call__(self, request: Request) -> Response:
        return Response(await self.images(int(await request.body())), media_type="application/octet-stream")


if __name__ == "__main__":
    workers = int(os.environ["WORKERS"])
    ray.init(num_cpus=workers + 1, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Generator.options(ray_actor_options={"num_cpus": 0.5}).bind(os.environ["MODEL"]))
    while True:
        time.sleep(60)
