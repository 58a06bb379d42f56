"""A file on ONNX Runtime's CPU provider, the one that every machine has, as the checks run it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from digitforge.machine.onnx_runtime import onnxruntime

Rows = Mapping[str, np.ndarray]
CHUNK = 500  # rows at a time


def open_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A session with one thread, as a server runs it by default: threads would cut the work by the batch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def take(rows: Rows, which: slice | np.ndarray) -> dict[str, np.ndarray]:
    """Some rows of all tensors."""
    return {name: values[which] for name, values in rows.items()}


def run_in_chunks(session: onnxruntime.InferenceSession, outputs: Sequence[str], rows: Rows) -> list[np.ndarray]:
    """Outputs for any number of rows, a tensor each."""
    count = len(next(iter(rows.values())))
    parts = [session.run(list(outputs), take(rows, slice(start, start + CHUNK))) for start in range(0, count, CHUNK)]
    return [np.concatenate(tensors) for tensors in zip(*parts, strict=True)]
