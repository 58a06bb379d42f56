"""A graph in float64: what a float32 file is judged by, since float32 has rounding errors of its own."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class CastsInFloat64(TorchFunctionMode):
    """Within it, what asks for float32 gets float64: a graph that casts its pixels does so in double precision."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        def widened(value: Any) -> Any:
            return torch.float64 if value is torch.float32 else value

        if func is torch.Tensor.float:
            func = torch.Tensor.double
        return func(*map(widened, args), **{name: widened(value) for name, value in (kwargs or {}).items()})


def in_float64(graph: nn.Module) -> nn.Module:
    """A copy with weights in float64. Call it within `CastsInFloat64()`, with its float inputs in float64."""
    return copy.deepcopy(graph).double()
