"""MLServer with any ONNX model: the Open Inference Protocol over gRPC, ONNX Runtime in a runtime of its own."""

import os

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnx_model import OnnxModel


class Model(MLModel):
    """Runs a request's rows."""

    async def load(self) -> bool:
        self.model = OnnxModel(os.environ["MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        types = self.model.inputs
        inputs = {each.name: NumpyCodec.decode_input(each).astype(types[each.name][0]) for each in payload.inputs}
        outputs = [NumpyCodec.encode_output(name, array) for name, array in self.model.run(inputs).items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)
