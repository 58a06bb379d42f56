"""Digits of a model that is named by its SHA-256, and certainly by that one: an address keeps them for ever."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from digitforge import AsyncClient, GeneratedDigits, NotFoundError
from digitforge.messages import Model
from page.problems import ProblemError
from page.served_models import ServedModels

ATTEMPTS = 3  # a server that changes its models more often than that is not waited for

Made = TypeVar("Made")


class MadeDigits:
    """Asks the server for what a model makes.

    The server knows a model by its version, a number that another model may have tomorrow. With digits it tells which
    model made them. With what else a model makes it does not, and is asked afterwards which model has the number.

    Args:
        client: Of the server.
        models: Which models it has.
    """

    def __init__(self, client: AsyncClient, models: ServedModels) -> None:
        self._client, self._models = client, models

    async def digits(
        self, digest: str, seed: int, first: int, count: int, digit: int | None
    ) -> tuple[GeneratedDigits, Model]:
        """Images `first` ... of a seed's stream, and the model that made them.

        Raises:
            ProblemError: The model is not served, or has no such class.
        """

        async def make(model: Model) -> tuple[GeneratedDigits, Model]:
            check_digit("digit", digit, model)
            made = await self._client.generate(count, seed=seed, offset=first, digit=digit, version=model.version)
            return made, model

        return await self.by(digest, make, lambda made: made[0].generator_sha256)

    async def by(
        self, digest: str, make: Callable[[Model], Awaitable[Made]], maker_of: Callable[[Made], str] = lambda _: ""
    ) -> Made:
        """What `make` has the server make with the model, given as it is served.

        Args:
            digest: Of the model.
            make: Called with the model.
            maker_of: The digest that came with what was made, "" where none did.

        Raises:
            ProblemError: The model is not served.
        """
        for _ in range(ATTEMPTS):
            model = await self._models.by_digest(digest)
            try:
                made = await make(model)
            except NotFoundError:
                if await self._models.still_has(model):
                    raise
                continue  # its number has gone with it
            if maker_of(made) == digest or (await self._models.still_has(model) and not maker_of(made)):
                return made
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is changing its models", retry_after_s=1)


def check_digit(field: str, digit: int | None, model: Model) -> None:
    """Refuse a class that a model does not have; None is every model's.

    Raises:
        ProblemError: It has no such class.
    """
    if digit is None or digit < len(model.class_names):
        return
    last = len(model.class_names) - 1
    limit = f"from 0 to {last}" if model.class_names else "none: this model has no classes"
    detail = f"{field}: {digit} is no class of this model"
    raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, field=field, value=digit, limit=limit)
