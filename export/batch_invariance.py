"""A row's answer must not depend on its neighbours: bit by bit the same at every batch size and place in the batch.

The promise that a seed names an endless stream of images stands on it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from digitforge.machine.onnx_runtime import onnxruntime
from export.errors import VerificationError
from export.on_cpu import Rows, take

ALL_SIZES_TO = 64  # kernels choose their blocks by the batch: all sizes up to here
LARGE = (257,)  # and more than any block, and no multiple of one


def check_batch_invariance(
    path: Path, session: onnxruntime.InferenceSession, outputs: Sequence[str], rows: Rows
) -> None:
    """Compare each row of many batches with the same row of the one batch that holds them all.

    A batch begins where the last one ended, around the end, so that a row is met in other places of other batches; the
    large one is turned around.

    Args:
        path: The file, for the message.
        session: On the CPU provider.
        outputs: The outputs to compare.
        rows: 257 of them or more.

    Raises:
        VerificationError: With how many rows of which output differ, and at what batch size.
    """
    count = len(next(iter(rows.values())))
    whole = session.run(list(outputs), rows)
    batches, start = [], 0
    for size in range(1, ALL_SIZES_TO + 1):
        batches.append((np.arange(size) + start) % count)
        start += size
    batches += [np.arange(size)[::-1] for size in LARGE]
    for which in batches:
        part = session.run(list(outputs), take(rows, which))
        for name, found, expected in zip(outputs, part, whole, strict=True):
            if not np.array_equal(found, expected[which]):
                differing = int((found != expected[which]).reshape(len(which), -1).any(axis=1).sum())
                raise VerificationError(
                    f"{path}: {differing} of {len(which)} rows of {name} differ between a batch of {len(which)} and "
                    f"one of {count}: a row must not depend on its neighbours"
                )
