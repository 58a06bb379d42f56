"""Data-parallel training: processes that each take a share of every batch, started by the trainer itself
(processes.py) or by `torchrun`.

Every process holds the whole pair, draws the same random numbers and takes its own rows; the gradients are averaged
before each update, so all pairs stay equal. That is what DistributedDataParallel does, done by hand as in StyleGAN3
(`training_loop.py`): its hooks know nothing of two networks whose updates take turns, nor of second derivatives.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

CPU = torch.device("cpu")
PATIENCE = timedelta(hours=2)  # the others wait for the first while that measures and writes


class Workers:
    """This process among those that train together; alone, every method hands back what it is given.

    Args:
        rank: Number of this process. The first, 0, writes, measures and speaks.
        count: How many there are.
        add_up: Replaces a tensor, float[size], by the sum of those of all processes, each times the weight given with
            it. All call it at once.
        device: Where it wants that tensor.
    """

    def __init__(
        self,
        rank: int = 0,
        count: int = 1,
        add_up: Callable[[Tensor, float], Any] | None = None,
        device: torch.device = CPU,
    ) -> None:
        self.rank = rank
        self.count = count
        self._add_up = add_up or (lambda _flat, _weight: None)
        self._device = device
        self._flat: dict[tuple[int, ...], Tensor] = {}

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
        parameters = list(parameters)
        # One without a gradient had no part in these rows; in another's it may have had.
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        for parameter, average in zip(parameters, self._averages(gradients, rows / batch_size), strict=True):
            parameter.grad = average

    def average(self, tensors: Sequence[Tensor], rows: int, batch_size: int) -> None:
        """The same for tensors of float32: gradients, or statistics of the rows."""
        if self.count == 1:
            return
        for tensor, average in zip(tensors, self._averages(tensors, rows / batch_size), strict=True):
            tensor.copy_(average)

    def _averages(self, tensors: Sequence[Tensor], weight: float) -> list[Tensor]:
        """Weighted sums over the processes, in memory that the next call for tensors of these sizes takes again.

        As each tensor lies in memory: an optimizer wants weights and gradients to lie alike.
        """
        sizes = [tensor.numel() for tensor in tensors]
        flat = self._flat.setdefault(tuple(sizes), torch.empty(0, device=tensors[0].device)).resize_(sum(sizes))
        torch.cat([tensor.as_strided((tensor.numel(),), (1,)) for tensor in tensors], out=flat)
        self._add_up(flat, weight)
        parts = zip(flat.split(sizes), tensors, strict=True)
        return [part.as_strided(tensor.shape, tensor.stride()) for part, tensor in parts]

    def mean(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Scalars, averaged over the processes."""
        if self.count == 1:
            return {name: float(value) for name, value in values.items()}
        stacked = torch.stack([value.float() for value in values.values()])
        self._add_up(stacked, 1 / self.count)
        return dict(zip(values, stacked.tolist(), strict=True))

    def agree(self, progress: float, stop: bool) -> tuple[float, bool]:
        """The first one's progress, and whether any process wants to stop."""
        if self.count == 1:
            return progress, stop
        votes = torch.tensor([progress if self.first else 0.0, float(stop)], dtype=torch.float64, device=self._device)
        self._add_up(votes, 1.0)
        return float(votes[0]), bool(votes[1])


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
        yield Workers(dist.get_rank(), dist.get_world_size(), _add_up, device)
    finally:
        dist.destroy_process_group()


def _add_up(flat: Tensor, weight: float) -> None:
    dist.all_reduce(flat.mul_(weight))
