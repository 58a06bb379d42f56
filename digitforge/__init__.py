"""Digits from a server, for Python and the shell; and the ground floor of the house: pictures, latents, the machine.

The client is loaded when it is asked for: the other rooms, which import the ground floor, need neither gRPC nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from digitforge.async_client import AsyncClient
    from digitforge.client import Client
    from digitforge.errors import (
        DeadlineExceededError,
        DigitforgeError,
        InvalidArgumentError,
        NotFoundError,
        OverloadedError,
        UnreachableError,
    )
    from digitforge.messages import GeneratedDigits, Model, Score
    from digitforge.verdict import Verdict

__all__ = [
    "AsyncClient",
    "Client",
    "DeadlineExceededError",
    "DigitforgeError",
    "GeneratedDigits",
    "InvalidArgumentError",
    "Model",
    "NotFoundError",
    "OverloadedError",
    "Score",
    "UnreachableError",
    "Verdict",
]

_HOMES = {"AsyncClient": "async_client", "Client": "client", "Verdict": "verdict"} | dict.fromkeys(
    ("GeneratedDigits", "Model", "Score"), "messages"
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
