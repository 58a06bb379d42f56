"""One ONNX model on one execution provider of ONNX Runtime: rows in, rows out."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from serving.device import CPU, CUDA, DeviceError

ERRORS_ONLY = 3


class Runner:
    """A session of one model.

    Args:
        path: The model's file.
        provider: `CPU` or `CUDA`, as `pick_provider` gives it.
        threads: Threads of one inference on the CPU.
        buckets: The only batch sizes that the model is to see, ascending; a smaller batch is padded with rows of
            zeros up to the next one. Empty: any size. A GPU plans its memory and picks its kernels for each size that
            it sees for the first time, which takes longer than to compute a few rows for nothing.

    Raises:
        DeviceError: The session did not get the provider.
    """

    def __init__(self, path: Path, provider: str, threads: int, buckets: Sequence[int] = ()) -> None:
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
        self.buckets = tuple(buckets)

    @property
    def properties(self) -> Mapping[str, str]:
        """The file's `metadata_props`."""
        return self.session.get_modelmeta().custom_metadata_map

    def run(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs for a batch of rows."""
        count = len(next(iter(rows.values())))
        padding = self._bucket(count) - count
        if padding:
            rows = {name: np.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1)) for name, array in rows.items()}
        results = self.session.run(self.outputs, dict(rows))
        if padding:
            results = [array[:count] for array in results]
        return dict(zip(self.outputs, results, strict=True))

    def _bucket(self, count: int) -> int:
        """The smallest bucket that holds so many rows; the count itself where none does."""
        place = bisect_left(self.buckets, count)
        return self.buckets[place] if place < len(self.buckets) else count


def power_of_two_buckets(largest: int) -> list[int]:
    """1, 2, 4 ... and the largest itself: padding never doubles a batch, and few sizes need warming up."""
    return [1 << power for power in range(largest.bit_length()) if 1 << power < largest] + [largest]
