"""What an application holds beside its routes: the connection to the server, and what asks over it."""

from dataclasses import dataclass

from fastapi import Request

from digitforge import AsyncClient
from page.made_digits import MadeDigits
from page.opened_pictures import OpenedPictures
from page.places import Places
from page.served_models import ServedModels


@dataclass(frozen=True)
class Parts:
    """Of one application, while it runs."""

    client: AsyncClient
    models: ServedModels
    made: MadeDigits
    pictures: OpenedPictures
    scores: Places


def parts_of(request: Request) -> Parts:
    """Of the application that a request is for."""
    parts: Parts = request.app.state.parts
    return parts
