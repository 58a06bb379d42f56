"""One ONNX model on one execution provider of ONNX Runtime: rows in, rows out."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from digitforge.machine.onnx_runtime import onnxruntime
from serving.engine.bound_runs import BoundRuns, CaptureError
from serving.engine.device import CUDA, DeviceError
from serving.engine.session import open_session

log = logging.getLogger(__name__)


class Runner:
    """A model, ready to run.

    Args:
        path: The model's file.
        provider: `CPU` or `CUDA`, as `pick_provider` gives it.
        threads: Threads of one inference on the CPU.
        buckets: The only batch sizes that the model is to see, ascending; a smaller batch is padded up to the next one.
            Empty: any size. A GPU plans its memory and picks its kernels for each size that it sees for the first time,
            which takes longer than to compute a few rows for nothing.
        graphs: Whether to run the buckets, if any, by CUDA graphs. A model of which none can be made runs without,
            which is logged; the CPU has none.

    Raises:
        DeviceError: The session did not get the provider.
        Exception: ONNX Runtime refuses the model; its classes have no narrower base.
    """

    session: onnxruntime.InferenceSession
    graphs: bool
    _bound: BoundRuns | None

    def __init__(
        self, path: Path, provider: str, threads: int, buckets: Sequence[int] = (), graphs: bool = False
    ) -> None:
        self._path, self._threads = path, threads
        self.provider = provider
        try:
            self._open(buckets, graphs)
        except DeviceError:
            raise
        except Exception as error:
            if not graphs:
                raise
            self._open(buckets, graphs=False)  # where this fails too, graphs were not the reason
            self._warn(str(error))
        self.inputs = [node.name for node in self.session.get_inputs()]
        self.outputs = [node.name for node in self.session.get_outputs()]

    @property
    def buckets(self) -> tuple[int, ...]:
        """The batch sizes that the model sees, ascending; empty: any."""
        return self._bound.sizes if self._bound else ()

    @property
    def properties(self) -> Mapping[str, str]:
        """The file's `metadata_props`."""
        return self.session.get_modelmeta().custom_metadata_map

    def run(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs for a batch of rows.

        Raises:
            ValueError: There are buckets, and the batch is larger than the largest.
            Exception: ONNX Runtime cannot run it.
        """
        if self._bound is None:
            return dict(zip(self.outputs, self.session.run(self.outputs, dict(rows)), strict=True))
        try:
            return self._bound.run(rows)
        except CaptureError as error:
            reason = str(error)
        # Not in the handler: the error's traceback holds the failed session, which is to be gone before the next.
        buckets = self._bound.sizes
        del self._bound, self.session
        self._open(buckets, graphs=False)
        self._warn(reason)
        return self.run(rows)

    def keep_buckets(self, sizes: Collection[int]) -> None:
        """Let the model see only these of its batch sizes."""
        if self._bound:
            self._bound.keep(sizes)

    def _open(self, buckets: Sequence[int], graphs: bool) -> None:
        graphs = graphs and bool(buckets)  # a graph is of one batch size
        self.session = open_session(self._path, self.provider, self._threads, graphs)
        device = "cuda" if self.provider == CUDA else "cpu"
        self._bound = BoundRuns(self.session, device, buckets, graphs) if buckets else None
        self.graphs = graphs

    def _warn(self, reason: str) -> None:
        log.warning("%s runs without CUDA graphs: %s", self._path, reason)


def power_of_two_buckets(largest: int) -> list[int]:
    """1, 2, 4 ... and the largest itself: padding never doubles a batch, and few sizes need warming up."""
    return [1 << power for power in range(largest.bit_length()) if 1 << power < largest] + [largest]
