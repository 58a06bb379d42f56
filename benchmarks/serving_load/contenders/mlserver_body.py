"""The bytes of a ModelInfer call with latents, in MLServer's own reading of the protocol; as hexadecimal.

python mlserver_body.py N LATENT_SIZE
"""

import sys

import numpy as np
from mlserver.grpc.converters import ModelInferRequestConverter
from mlserver.types import InferenceRequest, RequestInput

if __name__ == "__main__":
    n, latent_size = map(int, sys.argv[1:])
    z = np.random.default_rng(0).standard_normal((n, latent_size), np.float32)
    request = InferenceRequest(
        inputs=[RequestInput(name="z", shape=list(z.shape), datatype="FP32", data=z.ravel().tolist())]
    )
    message = ModelInferRequestConverter.from_types(request, model_name="generator", use_raw=True)
    print(message.SerializeToString().hex())
