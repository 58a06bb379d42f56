"""The generator in ONNX Runtime with one thread, as the alternatives serve it, each from an environment of its own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime


class OnnxGenerator:
    """A session of the model at a path."""

    def __init__(self, model: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.latent_size = self.session.get_inputs()[0].shape[1]
        self.has_classes = len(self.session.get_inputs()) > 1
        self.generator = np.random.default_rng()

    def run(self, z: Any, digit: Any = None) -> Any:
        """Latents float32[batch, latent] to images uint8[batch, 28, 28], of these digits, or the classes in turn."""
        inputs = {"z": z}
        if self.has_classes:
            inputs["digit"] = np.arange(len(z)).reshape(-1, 1) % 10 if digit is None else digit
        return self.session.run(None, inputs)[0]

    def draw(self, count: int) -> Any:
        """So many images of random latents."""
        return self.run(self.generator.standard_normal((count, self.latent_size), np.float32))

    def draw_each(self, counts: Sequence[int]) -> list[bytes]:
        """The pixels of as many images as each request of a batch asks for, all made at once."""
        images, ends = self.draw(sum(counts)), np.cumsum(counts)
        return [images[end - count : end].tobytes() for count, end in zip(counts, ends, strict=True)]
