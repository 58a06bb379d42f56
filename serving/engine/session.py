"""A model opened in ONNX Runtime: on the provider that was asked for, or not at all."""

from pathlib import Path

from digitforge.machine.onnx_runtime import onnxruntime
from serving.engine.device import CPU, CUDA, DeviceError

NOTHING_BUT_THE_END = 4  # what fails is raised as well, and what a caller can bring about is no line of the log


def open_session(path: Path, provider: str, threads: int, graphs: bool = False) -> onnxruntime.InferenceSession:
    """A session of one model.

    Args:
        path: The model's file.
        provider: `CPU` or `CUDA`, as `pick_provider` gives it.
        threads: Threads of one inference on the CPU.
        graphs: Whether the session is to be run by CUDA graphs; the CPU has none.

    Raises:
        DeviceError: The session did not get the provider.
        Exception: ONNX Runtime refuses the model; its classes have no narrower base.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads take the processor from the transport, which needs it more.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = NOTHING_BUT_THE_END
    providers = [(CUDA, _cuda_options(graphs))] if provider == CUDA else [CPU]
    if provider == CUDA:
        options.use_deterministic_compute = True
    # Without fallback: ONNX Runtime would open the model on the CPU, or go there at a failed run, and only print it.
    session = onnxruntime.InferenceSession(path, options, providers=providers, enable_fallback=False)
    got = session.get_providers()[0]
    if got != provider:  # a provider that cannot be loaded is left out all the same
        raise DeviceError(f"{path} was to run on {provider}, but ONNX Runtime put it on {got}")
    return session


def _cuda_options(graphs: bool) -> dict[str, str]:
    return {
        "use_tf32": "0",  # it would make a pixel depend on the card
        # By rule; the default tries all algorithms and takes what was fastest, which may differ at the next start.
        "cudnn_conv_algo_search": "HEURISTIC",
        "enable_cuda_graph": "1" if graphs else "0",
    }
