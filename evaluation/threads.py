"""PyTorch's threads under a CPU quota."""

import torch

from digitforge.machine.cores import cores_allowed


def keep_to_allowed_cores() -> None:
    """Have PyTorch compute in no more threads than cores are allowed: it asks for affinity itself, and knows no quota.

    More threads than a quota feeds are stopped in the middle of their work, while the others wait for them. A smaller
    number, by OMP_NUM_THREADS or torchrun, stays.
    """
    torch.set_num_threads(min(torch.get_num_threads(), cores_allowed()))
