"""Which models the server has, by the SHA-256 of their generators' files: what a version's number means today."""

import asyncio
import time
from http import HTTPStatus

from digitforge import AsyncClient, DigitforgeError
from digitforge.messages import Model
from page.problems import ProblemError

RECENT_S = 5.0  # for which a list does for what may be a little old


class ServedModels:
    """The server's models, asked for no more often than needed.

    Args:
        client: Of the server.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._known: list[Model] = []
        self._known_at = self._asked_at = -RECENT_S
        self._asking = asyncio.Lock()
        self._next: asyncio.Task[list[Model]] | None = None

    async def now(self) -> list[Model]:
        """The list as the server gives it after this call began; all who wait for the same answer share it."""
        return await asyncio.shield(self._coming())

    async def recently(self) -> list[Model]:
        """The list as it was at most some seconds ago."""
        return self._known if time.monotonic() - self._known_at < RECENT_S else await self.now()

    async def default(self) -> Model:
        """What version 0 means.

        Raises:
            ProblemError: The server has no digits.
        """
        for model in await self.recently():
            if model.is_default:
                return model
        raise ProblemError(HTTPStatus.NOT_FOUND, "the server has no model of digits")

    async def by_digest(self, digest: str) -> Model:
        """The model of this SHA-256; the server is only asked where it is not known.

        Raises:
            ProblemError: It is not served.
        """
        return _found(digest, self._known) or _found(digest, await self.now()) or _not_served(digest)

    async def still_has(self, model: Model) -> bool:
        """Whether the server, asked now, has the model under its number: what it gave before is this model's then."""
        found = next((one for one in await self.now() if one.version == model.version), None)
        return found is not None and found.generator_sha256 == model.generator_sha256

    def has_gone(self, digest: str) -> bool:
        """Whether the last list lacks it. Nobody waits for it: one that is not recent is replaced for the next caller.

        While the server does not answer, nothing has gone.
        """
        if time.monotonic() - self._asked_at >= RECENT_S:
            self._coming()
        return bool(self._known) and _found(digest, self._known) is None

    def _coming(self) -> asyncio.Task[list[Model]]:
        if self._next is None:
            self._asked_at = time.monotonic()
            self._next = asyncio.create_task(self._ask())
            self._next.add_done_callback(_retrieve)
        return self._next

    async def _ask(self) -> list[Model]:
        async with self._asking:
            self._next = None  # who comes from here on is told by the next
            try:
                self._known = await self._client.models()
            except DigitforgeError:
                self._known = []
                raise
            self._known_at = time.monotonic()
            return self._known


def _found(digest: str, models: list[Model]) -> Model | None:
    return next((model for model in models if model.generator_sha256 == digest), None)


def _not_served(digest: str) -> Model:
    raise ProblemError(HTTPStatus.NOT_FOUND, "this model is not served, or not any more", field="digest", value=digest)


def _retrieve(task: asyncio.Task[list[Model]]) -> None:
    """Nobody may be left to look at an error, and asyncio would say so."""
    if not task.cancelled():
        task.exception()
