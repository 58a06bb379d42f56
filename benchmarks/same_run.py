"""Whether two run folders hold the same run, bit by bit, but for its name and what the clock said."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from training.checkpoint import NAME
from training.run_folder import METRICS

# What two runs of one config cannot share, and what their clocks say.
NAMES = {"run_id", "source_commit"}
TIMINGS = ("elapsed", "seconds", "per_s", "_rate", "wall")
NO_TIMINGS = ("learning_rate",)


def differences(first: Path, second: Path) -> list[str]:
    """What differs between two finished runs: a line each, none if they are the same.

    Compared are every tensor and number of the checkpoint (weights, moving average, optimizers, states of random
    generators, counts), the exported weights, the values of the metrics in their order, and the sheets.
    """
    found = list(compare(_load(first / NAME), _load(second / NAME), NAME))
    weights = ("*.pth", "*.safetensors")
    for name in sorted({name for folder in (first, second) for pattern in weights for name in _names(folder, pattern)}):
        found += compare(_load(first / name), _load(second / name), name)
    found += compare(_metrics(first), _metrics(second), METRICS)
    for name in sorted(_names(first, "sheets/*.png") | _names(second, "sheets/*.png")):
        found += compare(_bytes(first / name), _bytes(second / name), name)
    return found


def compare(first: Any, second: Any, where: str) -> Iterator[str]:
    """The same for nested dictionaries and lists of tensors and plain values."""
    if type(first) is not type(second):
        yield f"{where}: {type(first).__name__} and {type(second).__name__}"
    elif isinstance(first, Mapping):
        for key in [*first, *(key for key in second if key not in first)]:
            if is_compared(str(key)):
                if key in first and key in second:
                    yield from compare(first[key], second[key], f"{where}.{key}")
                else:
                    yield f"{where}.{key}: only in one of the two"
    elif isinstance(first, list | tuple):
        if len(first) != len(second):
            yield f"{where}: {len(first)} and {len(second)} entries"
        for index, pair in enumerate(zip(first, second, strict=False)):
            yield from compare(*pair, f"{where}[{index}]")
    elif isinstance(first, torch.Tensor):
        if not same_bits(first, second):
            yield f"{where}: tensors differ"
    elif repr(first) != repr(second):  # a NaN is the same as itself here, and 0.0 another than -0.0
        yield f"{where}: {repr(first)[:50]} and {repr(second)[:50]}"


def is_compared(key: str) -> bool:
    """Whether a value under this key is part of what must be the same."""
    timing = any(word in key for word in TIMINGS) and not any(word in key for word in NO_TIMINGS)
    return key not in NAMES and not timing


def same_bits(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two tensors are of one shape and type and hold the same bits."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    bits = [tensor.detach().contiguous().flatten().view(torch.uint8) for tensor in (first, second)]
    return torch.equal(*bits)


def tensor_count(content: Any) -> int:
    """How many tensors a nested structure holds."""
    if isinstance(content, torch.Tensor):
        return 1
    values = content.values() if isinstance(content, Mapping) else content if isinstance(content, list | tuple) else ()
    return sum(tensor_count(value) for value in values)


def _load(path: Path) -> Any:
    if not path.exists():
        return None
    return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _metrics(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


def _names(folder: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.glob(pattern)}
