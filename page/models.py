"""The models that are served, and whether the page and the server are there."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from digitforge import DigitforgeError
from digitforge.messages import Model
from page.parts import parts_of

PATIENCE_S = 2.0  # with a server that is asked whether it is there

router = APIRouter(tags=["models"])


class ModelBody(BaseModel):
    """A model version that the server has."""

    version: int
    is_default: bool
    run_id: str
    digest: str = Field(description="SHA-256 of the generator's file: part of the addresses of its digits")
    variant: str
    dataset: str
    class_names: list[str] = Field(description="by class, from 0; empty: it has no classes")
    latent_size: int
    threshold: float = Field(description="the real_probability below which a digit is taken for a generated one")
    one_digit_threshold: float | None = Field(description="the one_digit_probability below which it is none")
    provider: str


class ModelsBody(BaseModel):
    """All of them."""

    models: list[ModelBody]


class HealthBody(BaseModel):
    """The page answers; does the server?"""

    page: str
    server: str = Field(description="serving, not serving, or unreachable")


@router.get("/v1/models")
async def models(request: Request, response: Response) -> ModelsBody:
    """The model versions that are served, ascending."""
    response.headers["cache-control"] = "no-store"
    return ModelsBody(models=[body_of(model) for model in await parts_of(request).models.now()])


@router.get("/healthz")
async def health(request: Request, response: Response) -> HealthBody:
    """Whether the page is up, which it is where this is answered, and whether the server is."""
    response.headers["cache-control"] = "no-store"
    try:
        async with asyncio.timeout(PATIENCE_S):
            serves = await parts_of(request).client.is_serving()
    except (DigitforgeError, TimeoutError):
        return HealthBody(page="up", server="unreachable")
    return HealthBody(page="up", server="serving" if serves else "not serving")


def body_of(model: Model) -> ModelBody:
    """A model in JSON."""
    fields: dict[str, Any] = {name: getattr(model, name) for name in ModelBody.model_fields if name != "digest"}
    return ModelBody(digest=model.generator_sha256, **fields)
