"""Data-parallel training: the processes that `torchrun` starts, each with a share of every batch.

Every process holds the whole pair, draws the same random numbers and takes its own rows; the gradients are averaged
before each update, so all pairs stay equal. That is what DistributedDataParallel does, done by hand as in StyleGAN3
(`training_loop.py`): its hooks know nothing of two networks whose updates take turns, nor of second derivatives.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(hours=2)  # the others wait for the first while that measures and writes


class Workers:
    """This process among those that train together; alone, every method hands back what it is given.

    Attributes:
        rank: Number of this process. The first, 0, writes, measures and speaks.
        count: How many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank = rank
        self.count = count

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, measures and speaks."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch, every `count`-th."""
        return rows[self.rank :: self.count]

    def average_gradients(self, parameters: Iterable[Tensor], rows: int, batch_size: int) -> None:
        """Replace the gradients, of means over `rows` rows here, by those of the mean over the whole batch."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]) * (rows / batch_size)
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Scalars, averaged over the processes."""
        if self.count == 1:
            return {name: float(value) for name, value in values.items()}
        stacked = torch.stack([value.float() for value in values.values()])
        dist.all_reduce(stacked)
        return dict(zip(values, (stacked / self.count).tolist(), strict=True))

    def agree(self, progress: float, stop: bool) -> tuple[float, bool]:
        """The first one's progress, and whether any process wants to stop."""
        if self.count == 1:
            return progress, stop
        votes = torch.tensor([progress if self.first else 0.0, float(stop)], dtype=torch.float64, device=_device())
        dist.all_reduce(votes)
        return float(votes[0]), bool(votes[1])


def _device() -> torch.device:
    on_gpu = dist.get_backend() == "nccl"
    return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


@contextmanager
def join_workers(device: torch.device) -> Iterator[Workers]:
    """The processes of `torchrun`, or this one alone: NCCL between GPUs, gloo between CPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Workers()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Workers(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
