"""Runs of a session at fixed batch sizes, each with buffers of its own on the device (ONNX Runtime's IO binding).

The buffers of a size never move, so that a CUDA graph can be captured of it: the GPU's work for a batch, recorded once
and started by one call from then on.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from threading import Lock

import numpy as np

from digitforge.machine.onnx_runtime import onnxruntime

NO_GRAPH = -1  # ONNX Runtime's: the run is neither captured nor replayed


class CaptureError(Exception):
    """ONNX Runtime could not make a CUDA graph of a batch size's runs."""


class BoundRuns:
    """A model's runs at a few batch sizes; a smaller batch is padded with rows of zeros up to the next size.

    ONNX Runtime keeps CUDA graphs by the thread, and while one is captured, no other thread may use the GPU. So the
    thread that is to run a size later is to run it first, before anything is served; another would capture it again.

    Args:
        session: The model.
        device: Where it runs and its buffers are: `cpu` or `cuda`.
        sizes: Rows of the batches, ascending.
        graphs: Whether the session was opened for CUDA graphs. Then the first run of each size captures its graph.
    """

    def __init__(self, session: onnxruntime.InferenceSession, device: str, sizes: Sequence[int], graphs: bool) -> None:
        self._session = session
        self._device = device
        self._graphs = graphs
        self._lock = Lock()  # a size's buffers hold one batch at a time
        self._buckets: dict[int, _Bucket] = {}
        self.sizes = tuple(sizes)

    def run(self, rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs for a batch of rows, as arrays of the caller's own.

        Args:
            rows: All inputs, each with the same number of rows, dtypes and shapes as in the first batch.

        Raises:
            ValueError: The batch is larger than the largest size, or an input is not what it was in the first batch.
            CaptureError: No CUDA graph can be had. The session is not to be used any more.
        """
        count = len(next(iter(rows.values())))
        place = bisect_left(self.sizes, count)
        if place == len(self.sizes):
            raise ValueError(f"a batch of {count} rows is larger than the largest bucket of {self.sizes[-1]}")
        with self._lock:
            if not self._buckets:
                self._make_buckets(rows)
            return self._buckets[self.sizes[place]].run(rows, count)

    def keep(self, sizes: Collection[int]) -> None:
        """Give up all other sizes, with their buffers."""
        with self._lock:
            self.sizes = tuple(size for size in self.sizes if size in sizes)
            self._buckets = {size: bucket for size, bucket in self._buckets.items() if size in self.sizes}

    def _make_buckets(self, rows: Mapping[str, np.ndarray]) -> None:
        """Buffers for all sizes, before any graph exists: none of them may take memory that a graph works in.

        A run without binding says what the outputs are like, and ONNX Runtime checks the inputs at it.
        """
        inputs = {name: np.zeros((self.sizes[0], *array.shape[1:]), array.dtype) for name, array in rows.items()}
        names = [node.name for node in self._session.get_outputs()]
        plain = _with_graph(NO_GRAPH) if self._graphs else None
        outputs = dict(zip(names, self._session.run(names, inputs, plain), strict=True))
        self._buckets = {
            size: _Bucket(self._session, self._device, size, inputs, outputs, number if self._graphs else NO_GRAPH)
            for number, size in enumerate(self.sizes, 1)  # 0 is ONNX Runtime's for a session with one graph
        }


class _Bucket:
    """The buffers of one size, bound to the model's inputs and outputs.

    Args:
        session: The model.
        device: Where the buffers are.
        size: Rows of every buffer.
        inputs: What the inputs look like, with any number of rows.
        outputs: What the outputs look like.
        graph: Number of the CUDA graph, or `NO_GRAPH`.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        device: str,
        size: int,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, np.ndarray],
        graph: int,
    ) -> None:
        def buffer(like: np.ndarray) -> onnxruntime.OrtValue:
            return onnxruntime.OrtValue.ortvalue_from_shape_and_type([size, *like.shape[1:]], like.dtype.type, device)

        self._session = session
        self._padded = {name: np.zeros((size, *array.shape[1:]), array.dtype) for name, array in inputs.items()}
        self._inputs = {name: buffer(array) for name, array in inputs.items()}
        self._outputs = {name: buffer(array) for name, array in outputs.items()}
        self._binding = session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in self._outputs.items():
            self._binding.bind_ortvalue_output(name, value)
        self._options = _with_graph(graph) if graph != NO_GRAPH else None
        self._to_capture = graph != NO_GRAPH

    def run(self, rows: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        for name, padded in self._padded.items():
            array = rows[name]
            if (array.dtype, array.shape) != (padded.dtype, (count, *padded.shape[1:])):
                raise ValueError(
                    f"input {name}: expected {padded.dtype}{[count, *padded.shape[1:]]}, "
                    f"found {array.dtype}{list(array.shape)}"
                )
            padded[:count] = array
            padded[count:] = 0
            self._inputs[name].update_inplace(padded)
        self._binding.synchronize_inputs()
        self._run()
        self._binding.synchronize_outputs()
        # A copy also on the CPU, where `numpy` is a view of the buffer.
        return {name: value.numpy()[:count].copy() for name, value in self._outputs.items()}

    def _run(self) -> None:
        try:
            self._session.run_with_iobinding(self._binding, self._options)
        except Exception as error:  # ONNX Runtime's classes have no narrower base
            if self._to_capture:
                raise CaptureError(str(error)) from error
            raise
        self._to_capture = False


def _with_graph(number: int) -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(number))
    return options
