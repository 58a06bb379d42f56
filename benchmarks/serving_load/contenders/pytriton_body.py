"""The bytes of a ModelInfer call with latents, as Triton's own client writes them; as hexadecimal.

python pytriton_body.py N LATENT_SIZE
"""

import sys

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc._utils import _get_inference_request

if __name__ == "__main__":
    n, latent_size = map(int, sys.argv[1:])
    z = InferInput("z", [n, latent_size], "FP32")
    z.set_data_from_numpy(np.random.default_rng(0).standard_normal((n, latent_size), np.float32))
    request = _get_inference_request(
        model_name="generator",
        inputs=[z],
        model_version="",
        request_id="",
        outputs=None,
        sequence_id=0,
        sequence_start=False,
        sequence_end=False,
        priority=0,
        timeout=None,
        parameters=None,
    )
    print(request.SerializeToString().hex())
