"""How much is done at a time: who finds no place within a moment is told to come again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from page.problems import ProblemError

WAIT_S = 5.0


class Places:
    """Places for requests that take memory.

    Args:
        count: How many there are.
        what: What they are for, in the plural.
    """

    def __init__(self, count: int, what: str) -> None:
        self._count, self._what = count, what
        self._free = asyncio.Semaphore(count)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place for as long as it is needed.

        Raises:
            ProblemError: None became free in time.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError as error:
            detail = f"{self._count} {self._what} are under way already"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after_s=1) from error
        try:
            yield
        finally:
            self._free.release()
