"""One ONNX model on one execution provider of ONNX Runtime: rows in, rows out."""

import ctypes
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
ERRORS_ONLY = 3


class DeviceError(Exception):
    """The device that was asked for cannot be had."""


class Runner:
    """A session of one model.

    Args:
        path: The model's file.
        provider: `CPU` or `CUDA`, as `pick_provider` gives it.
        threads: Threads of one inference on the CPU.

    Raises:
        DeviceError: The session did not get the provider.
    """

    def __init__(self, path: Path, provider: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads take the processor from the transport, which needs it more.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = ERRORS_ONLY
        # TF32 would make a pixel depend on the card.
        providers = [(CUDA, {"use_tf32": "0"})] if provider == CUDA else [CPU]
        self.session = onnxruntime.InferenceSession(path, options, providers=providers)
        self.provider = self.session.get_providers()[0]
        if self.provider != provider:  # ONNX Runtime falls back to the CPU without a word
            raise DeviceError(f"{path} was to run on {provider}, but ONNX Runtime put it on {self.provider}")
        self.inputs = [node.name for node in self.session.get_inputs()]
        self.outputs = [node.name for node in self.session.get_outputs()]

    @property
    def properties(self) -> Mapping[str, str]:
        """The file's `metadata_props`."""
        return self.session.get_modelmeta().custom_metadata_map

    def run(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs for a batch of rows."""
        return dict(zip(self.outputs, self.session.run(self.outputs, dict(rows)), strict=True))


def pick_provider(device: str) -> str:
    """The provider for `auto`, `cpu` or `cuda`, by what works here and not by what was built in.

    Raises:
        DeviceError: `cuda` was asked for and cannot be had.
    """
    if device == "cpu":
        return CPU
    problem = _cuda_problem()
    if problem is None:
        return CUDA
    if device == "cuda":
        raise DeviceError(f"device cuda: {problem}")
    return CPU


def _cuda_problem() -> str | None:
    """What stands in the way of CUDA, or None."""
    if CUDA not in onnxruntime.get_available_providers():
        return "this build of ONNX Runtime has no CUDA"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1) is installed"
    onnxruntime.preload_dlls()  # CUDA's libraries from the packages of the extra `cuda`, where they are installed
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        return f"CUDA's libraries are missing (install the extra 'cuda'): {error}"
    return None
