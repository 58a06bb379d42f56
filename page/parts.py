"""What an application holds beside its routes: the connection to the server, and what asks over it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from fastapi import Request

from digitforge import AsyncClient
from page.made_digits import MadeDigits
from page.opened_pictures import OpenedPictures
from page.places import Places
from page.served_models import ServedModels
from page.settings import Settings
from page.trainer import Trainer

MOST_SCORES = 16  # at a time: each may hold a picture of 16 MiB, twice


@dataclass(frozen=True)
class Parts:
    """Of one application, while it runs; no trainer where visitors may not train."""

    client: AsyncClient
    models: ServedModels
    made: MadeDigits
    pictures: OpenedPictures
    scores: Places
    trainer: Trainer | None

    @classmethod
    @asynccontextmanager
    async def running(cls, settings: Settings) -> AsyncIterator[Self]:
        """Those of a page with these settings, in the event loop that is to use them."""
        async with (
            AsyncClient(settings.address, timeout_s=settings.timeout_s) as client,
            OpenedPictures.running() as pictures,
            Trainer.running() as trainer,
        ):
            models = ServedModels(client)
            may_train = trainer if settings.allow_training else None
            yield cls(client, models, MadeDigits(client, models), pictures, Places(MOST_SCORES, "pictures"), may_train)


def parts_of(request: Request) -> Parts:
    """Of the application that a request is for."""
    parts: Parts = request.app.state.parts
    return parts
