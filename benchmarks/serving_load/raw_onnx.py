"""The generator by ONNX Runtime alone, in this process: images/s on all cores that no server goes beyond.

python -m benchmarks.serving_load.raw_onnx MODEL --batch 64 --seconds 3 --processes 2
"""

import multiprocessing
import time
from pathlib import Path
from typing import Any

_barrier: Any = None  # of the processes that start together; each gets it at its own start


def limit(model: Path, batch: int, seconds: float, processes: int) -> dict[str, float]:
    """Of so many processes with a thread each, together: images_per_s, and cpu_us_per_image.

    The second is what a server is to be held against where the machine does other work at the same time.
    """
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes)
    with context.Pool(processes, initializer=_set_barrier, initargs=(start,)) as pool:
        rates = pool.starmap(_run, [(model, batch, seconds)] * processes, chunksize=1)
    return {
        "images_per_s": sum(rate for rate, _ in rates),
        "cpu_us_per_image": sum(cost for _, cost in rates) / processes,
    }


def _set_barrier(barrier: object) -> None:
    global _barrier
    _barrier = barrier


def _run(model: Path, batch: int, seconds: float) -> tuple[float, float]:
    """Images a second of wall time, and microseconds of processor time for an image."""
    import numpy as np

    from digitforge.machine.onnx_runtime import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs: dict[str, np.ndarray] = {
        "z": np.random.default_rng(0).standard_normal((batch, session.get_inputs()[0].shape[1]), np.float32)
    }
    if len(session.get_inputs()) > 1:
        inputs["digit"] = np.arange(batch).reshape(batch, 1) % 10
    for _ in range(5):
        session.run(None, inputs)
    _barrier.wait()
    runs, begin, begin_cpu = 0, time.perf_counter(), time.process_time()
    while (elapsed := time.perf_counter() - begin) < seconds:
        session.run(None, inputs)
        runs += 1
    return runs * batch / elapsed, (time.process_time() - begin_cpu) * 1e6 / (runs * batch)
