"""Where the models can run: the execution providers of ONNX Runtime, by what works and not by what was built in."""

import ctypes
from pathlib import Path

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class DeviceError(Exception):
    """The device that was asked for cannot be had."""


def pick_provider(device: str) -> str:
    """The provider for `auto`, `cpu` or `cuda`.

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


def has_nvidia_driver() -> bool:
    """Whether a GPU may be there; costs next to nothing, since ONNX Runtime is not loaded for it."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _cuda_problem() -> str | None:
    """What stands in the way of CUDA, or None."""
    from digitforge.machine.onnx_runtime import onnxruntime  # not where only the driver is looked for

    if CUDA not in onnxruntime.get_available_providers():
        return "this build of ONNX Runtime has no CUDA"
    if not has_nvidia_driver():
        return "no NVIDIA driver (libcuda.so.1) is installed"
    onnxruntime.preload_dlls()  # CUDA's libraries from the packages of the extra `cuda`, where they are installed
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        return f"CUDA's libraries are missing (install the extra 'cuda'): {error}"
    return None
