"""Networks in small files: a byte a weight, and a float16 scale a row.

A weight of a row is rounded to 1/127 of the row's largest: the network is another one by a hair, and its file a quarter
of the size. Vectors (biases, BatchNorm's) stay whole, as float16.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

SCALE = ".scale"
LEVELS = 127


def save_small(path: Path, snapshots: Sequence[Mapping[str, Tensor]], about: Mapping[str, str]) -> None:
    """Write the `state_dict`s of one network at several times, and what they are."""
    tensors: dict[str, Tensor] = {}
    for number, weights in enumerate(snapshots):
        for name, weight in weights.items():
            key = f"{number}.{name}"
            if weight.ndim > 1:
                rows = weight.detach().float().flatten(1)
                scale = (rows.abs().amax(dim=1) / LEVELS).clamp(min=1e-7).half()
                scaled = (rows / scale.float()[:, None]).round().clamp(-LEVELS, LEVELS)
                tensors[key] = scaled.to(torch.int8).view(weight.shape).contiguous()
                tensors[key + SCALE] = scale
            else:
                tensors[key] = weight.detach().half()
    save_file(tensors, path, metadata=dict(about))


def load_small(path: Path) -> tuple[list[dict[str, Tensor]], dict[str, str]]:
    """What `save_small` wrote: the `state_dict`s, in float32, and what they are."""
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  (no mapping)
    snapshots: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.endswith(SCALE):
            continue
        number, name = key.split(".", 1)
        weight = tensor.float()
        if key + SCALE in tensors:
            weight *= tensors[key + SCALE].float().view(-1, *[1] * (weight.ndim - 1))
        snapshots.setdefault(int(number), {})[name] = weight
    return [snapshots[number] for number in sorted(snapshots)], about
