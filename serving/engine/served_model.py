"""A version of a model, loaded: any ONNX model, with what its graph and its configuration say of it.

Rows of many callers are batched where all tensors have a first dimension that is open; else one request runs at a time.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serving.engine.batcher import Batcher
from serving.engine.device import CUDA
from serving.engine.example_rows import example, makers, why_rows_mix
from serving.engine.fair_queue import Room, Rows
from serving.engine.observer import Observer, Unobserved
from serving.engine.runner import Runner, power_of_two_buckets
from serving.engine.signature import ANY, UnservableError, tensors_of, why_not_by_rows
from serving.engine.warm_up import agreeing_sizes, rows_within
from serving.errors import InvalidArgumentError, UnavailableError

log = logging.getLogger(__name__)
INLINE_S = 0.002  # so long a batch may hold up the event loop, instead of being handed to a thread and back
REQUEST = "request"  # a whole request as one row, of a model that takes no batches


@dataclass(frozen=True)
class Limits:
    """What a model is given.

    Attributes:
        max_batch_rows: Rows in one batch at most.
        max_queue_rows: Rows that may wait; of a model without batches, requests.
        max_delay_s: How long a batch that is not full waits for more.
        max_request_rows: Rows of a request at most, 0: the model takes no batches. None: as the graph has it, and then
            as many as a batch.
    """

    max_batch_rows: int
    max_queue_rows: int
    max_delay_s: float = 0.0
    max_request_rows: int | None = None


class ServedModel:
    """A version of a model, warm. Make it within a running event loop.

    Args:
        name: Of the model.
        version: Its number.
        path: Its file.
        provider: Where to run it: `CPU` or `CUDA`.
        threads: Of one inference on the CPU.
        limits: What it is given.
        observer: Who is told of its requests and batches.

    Attributes:
        inputs, outputs: Its tensors by their names.
        max_request_rows: Rows of a request at most; 0: requests have no rows, and run one at a time.
        why_one_at_a_time: Why they do, where that was found out and not said.

    Raises:
        UnservableError: Its tensors cannot be served, or not as its configuration says.
        DeviceError: It cannot be run there.
        Exception: ONNX Runtime refuses it; its classes have no narrower base.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: Path,
        provider: str,
        threads: int,
        limits: Limits,
        observer: Observer | None = None,
    ) -> None:
        self.name, self.version, self.path = name, version, path
        self.why_one_at_a_time = ""
        self.runner = Runner(path, provider, threads)
        session = self.runner.session
        self.inputs, self.outputs = tensors_of(session.get_inputs()), tensors_of(session.get_outputs())
        # Whether rows have sizes that differ: only those of the same sizes can be joined.
        self._is_open = any(ANY in tensor.shape[1:] for tensor in self.inputs.values())
        self._limits, self._observer, self._room = limits, observer or Unobserved(), Room(limits.max_queue_rows)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)  # warmed up in: CUDA graphs belong to a thread
        self._batchers: list[Batcher] = []
        self._by_sizes: dict[tuple[tuple[int, ...], ...], Batcher] = {}
        self._is_closing = False
        try:
            self.max_request_rows, rows_of = self._thread.submit(self._find_out).result()
            self.max_batch_rows = min(limits.max_batch_rows, self.max_request_rows) or 1
            if provider == CUDA and self.max_request_rows and not self._is_open:
                del session, self.runner
                self.runner = Runner(path, provider, threads, power_of_two_buckets(self.max_batch_rows), graphs=True)
            self._inline_rows: int = self._thread.submit(self._warm_up, rows_of).result()
        except BaseException:
            self._thread.shutdown()
            raise
        run = self.runner.run if self.max_request_rows else self._run_request
        self._usual = self.batcher(run)

    @property
    def max_delay_s(self) -> float:
        """How long a batch that is not full waits for more."""
        return self._limits.max_delay_s if self.max_request_rows else 0.0

    def check(self, inputs: Rows) -> None:
        """See whether these are inputs of the model.

        Raises:
            InvalidArgumentError: With the input, what it is, and what it ought to be.
        """
        for name in inputs:
            if name not in self.inputs:
                raise InvalidArgumentError(
                    "inputs", f"{name!r} is no input of model {self.name!r}; it has {', '.join(map(repr, self.inputs))}"
                )
        counts = set()
        for name, tensor in self.inputs.items():
            if (array := inputs.get(name)) is None:
                raise InvalidArgumentError("inputs", f"{name!r} is missing, an input of model {self.name!r}")
            if array.dtype != tensor.dtype:
                raise InvalidArgumentError("inputs", f"{name!r} is {array.dtype}, and the model takes {tensor.dtype}")
            if not tensor.fits(array.shape):
                raise InvalidArgumentError(
                    "inputs",
                    f"{name!r} has the shape {list(array.shape)}, and the model takes {list(tensor.shape)} "
                    f"({ANY}: any size)",
                )
            if self.max_request_rows:
                counts.add(len(array))
        if not self.max_request_rows:
            return
        if len(counts) > 1:
            rows = ", ".join(f"{name!r} {len(array)}" for name, array in inputs.items())
            raise InvalidArgumentError("inputs", f"all must have as many rows, and these have: {rows}")
        (count,) = counts
        if not count:
            raise InvalidArgumentError("inputs", "they have no rows; at least 1 is needed")
        if count > self.max_request_rows:
            raise InvalidArgumentError(
                "inputs",
                f"a request to model {self.name!r} has at most {self.max_request_rows} rows (max_batch_size), "
                f"and this one has {count}",
            )

    async def submit(self, inputs: Rows, deadline: float | None = None) -> Rows:
        """All outputs for inputs that have been checked; see `Batcher.submit`, also for what is raised."""
        if not self.max_request_rows:
            answer = await self._usual.submit({REQUEST: _row(inputs)}, deadline)
            outputs: Rows = answer[REQUEST][0]
            return outputs
        if not self._is_open:
            return await self._usual.submit(inputs, deadline)
        if self._is_closing:
            raise UnavailableError("the server is shutting down")
        sizes = tuple(inputs[name].shape[1:] for name in self.inputs)
        if (batcher := self._by_sizes.get(sizes)) is None:
            batcher = self._by_sizes[sizes] = self._new_batcher(self.runner.run)
        try:
            return await batcher.submit(inputs, deadline)
        finally:
            if batcher.is_idle:
                self._by_sizes.pop(sizes, None)

    def batcher(self, run: Callable[[Rows], Rows]) -> Batcher:
        """One more batcher, of rows that `run` makes inputs of and runs; thread and room are those of the model."""
        self._batchers.append(self._new_batcher(run))
        return self._batchers[-1]

    def call(self, work: Callable[[], object]) -> None:
        """Do some work in the thread that runs the model, and wait for it."""
        self._thread.submit(work).result()

    async def close(self) -> None:
        """Answer what waits, then stop."""
        self._is_closing = True
        for batcher in (*self._batchers, *self._by_sizes.values()):
            await batcher.close()
        self._thread.shutdown()

    def _new_batcher(self, run: Callable[[Rows], Rows]) -> Batcher:
        return Batcher(
            run, self.max_batch_rows, self._room, self.max_delay_s, self._inline_rows, self._thread, self._observer
        )

    def _run_request(self, rows: Rows) -> Rows:
        """A batch of the one request that it ever has."""
        return {REQUEST: _row(self.runner.run(rows[REQUEST][0]))}

    def _find_out(self) -> tuple[int, Callable[[int], Rows] | None]:
        """How many rows a request may have, or 0; and what makes rows that the model runs, where that is known."""
        asked, why = self._limits.max_request_rows, why_not_by_rows(self.inputs, self.outputs)
        if asked and why:
            raise UnservableError(f"max_batch_size is {asked}, but its rows cannot be batched: {why}")
        if asked == 0 or why:
            self.why_one_at_a_time = why
            return 0, None
        for rows_of in makers(self.inputs):
            try:
                if asked:  # whoever wrote so knows that rows do not mix
                    self.runner.run(rows_of(1))
                else:
                    why = why_rows_mix(self.runner.run, rows_of)
            except Exception as error:  # ONNX Runtime's classes have no narrower base
                why = f"it fails on rows that were made up: {error}"
                continue
            if not why:
                return asked or self._limits.max_batch_rows, rows_of
            break
        if asked:
            return asked, None
        self.why_one_at_a_time = why
        return 0, None

    def _warm_up(self, rows_of: Callable[[int], Rows] | None) -> int:
        """The first runs, in all buckets; how many rows, or requests, may run in the event loop's own thread."""
        runner = self.runner
        if not self.max_request_rows:
            if any(ANY in tensor.shape for tensor in self.inputs.values()):
                return 0  # some take longer than others
            try:
                return rows_within(runner.run, lambda _: example(self.inputs, 1), INLINE_S, 1)
            except Exception as error:  # it may take other numbers than those that were made up
                log.debug("%s was not warmed up: %s", self.path, error)
                return 0
        if rows_of is None:
            return 0
        if runner.buckets:
            self._keep_agreeing_buckets(rows_of)
            return 0  # on a GPU, any batch is better waited for in a thread
        return 0 if self._is_open else rows_within(runner.run, rows_of, INLINE_S, self.max_batch_rows)

    def _keep_agreeing_buckets(self, rows_of: Callable[[int], Rows]) -> None:
        runner, buckets = self.runner, self.runner.buckets
        runner.keep_buckets(agreeing_sizes(runner.run, rows_of(self.max_batch_rows), buckets))
        if dropped := sorted(set(buckets) - set(runner.buckets)):
            log.warning(
                "%s: batches of %s rows would differ from larger ones by some bits here, and are padded up to a size "
                "that does not",
                self.path,
                ", ".join(map(str, dropped)),
            )


def _row(request: Rows) -> np.ndarray:
    row = np.empty(1, object)
    row[0] = request
    return row
