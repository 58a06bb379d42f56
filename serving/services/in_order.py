"""A stream of requests answered one by one, in order, with many of them in work at a time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from serving.digits.unwanted import drop
from serving.services.window import Window

Request = TypeVar("Request")
Answer = TypeVar("Answer")


async def in_order(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Coroutine[Any, Any, Answer]],
    size_of: Callable[[Request], int],
    window: Window,
) -> AsyncGenerator[Answer]:
    """The answers; what is in work when the caller goes is dropped.

    Args:
        requests: As they come.
        answer: Answers one, in a task of its own.
        size_of: How large one is, in bytes.
        window: How much may be in work. A full one stops the reading, and so, by gRPC's flow control, the writer.
    """
    answers: asyncio.Queue[asyncio.Task[Answer] | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async for request in requests:
                await window.enter(size_of(request))
                answers.put_nowait(asyncio.create_task(answer(request)))
        finally:  # also where the next message is none, which `await reader` then tells
            answers.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (task := await answers.get()) is not None:
            response = await task
            window.leave()
            yield response
        await reader
    finally:
        reader.cancel()
        left = (answers.get_nowait() for _ in range(answers.qsize()))
        drop(task for task in left if task is not None)
