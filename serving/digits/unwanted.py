"""Tasks whose results nobody wants any more."""

import asyncio
from collections.abc import Iterable
from typing import Any


def drop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel those that are running; the errors of those that have failed are passed over."""
    for task in tasks:
        if not task.cancel() and not task.cancelled():
            task.exception()  # else asyncio logs that nobody asked for it
