"""AsyncClient under the hands of tests that call a Client, so that both are held to the same promises."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

from digitforge import AsyncClient


class AwaitedClient:
    """An AsyncClient in an event loop of its own, which runs for as long as a call or a step of a stream takes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()

        async def make() -> AsyncClient:
            return AsyncClient(*arguments, **options)

        try:
            self._client = self._loop.run_until_complete(make())
        except BaseException:
            self._loop.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.run_until_complete(self._client.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: Any, **options: Any) -> Any:
            answer = attribute(*arguments, **options)
            return self._steps(answer) if inspect.isasyncgen(answer) else self._loop.run_until_complete(answer)

        return call

    def _steps(self, stream: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(anext(stream))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(stream.aclose())
            self._loop.run_until_complete(asyncio.sleep(0))  # a cancelled call goes when the loop goes on


async def slowly(images: list[Any]) -> AsyncIterator[Any]:
    """The same images, as they come from elsewhere."""
    for image in images:
        await asyncio.sleep(0)
        yield image
