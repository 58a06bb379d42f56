"""MLServer: the Open Inference Protocol over gRPC, ONNX Runtime in a runtime of its own. Latents in, images out.

Its batcher counts requests and joins them; its parallel workers cost more than they bring for so small a model.
"""

import os

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnx_generator import OnnxGenerator


class Generator(MLModel):
    """Runs a request's latents."""

    async def load(self) -> bool:
        self.model = OnnxGenerator(os.environ["MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        images = NumpyCodec.encode_output("images", self.model.run(inputs["z"].astype(np.float32), inputs.get("digit")))
        return InferenceResponse(model_name=self.name, outputs=[images])
