"""PyTorch's threads: how many, and within what."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from digitforge.machine.cores import cores_allowed


def keep_to_allowed_cores() -> None:
    """Have PyTorch compute in no more threads than cores are allowed: it asks for affinity itself, and knows no quota.

    More threads than a quota feeds are stopped in the middle of their work, while the others wait for them. A smaller
    number, by OMP_NUM_THREADS or torchrun, stays.
    """
    torch.set_num_threads(min(torch.get_num_threads(), cores_allowed()))


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """PyTorch with so many threads within it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
