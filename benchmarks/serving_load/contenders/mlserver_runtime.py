"""MLServer: the Open Inference Protocol over gRPC, ONNX Runtime in a runtime of its own. Latents in, images out.

Its batcher counts requests and joins them; its parallel workers cost more than they bring for so small a model.
"""

import os

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Generator(MLModel):
    """Runs a request's latents."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.has_classes = len(self.session.get_inputs()) > 1
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        z = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        inputs = {"z": z}
        if self.has_classes:
            inputs["digit"] = np.arange(len(z)).reshape(-1, 1) % 10
        (images,) = self.session.run(None, inputs)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("images", images)])
