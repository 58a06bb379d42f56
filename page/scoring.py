"""What a picture is: everything that the server's Score says, and where it looked."""

import base64
from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from digitforge import Score, Verdict
from page.occlusion import PATCH, PLACES, STRIDE, real_probabilities
from page.parts import Parts, parts_of
from page.problems import ProblemBody, ProblemError
from page.uploads import FIELD, ImageBody, picture_of

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemBody, "content": {"application/problem+json": {}}, "description": words}
    for status, words in {
        413: "the body is too large",
        415: "the body is no picture by its type",
        422: "it is no picture, or one that cannot be opened",
        503: "the server does not answer, or too many pictures are under way",
    }.items()
}
BODY = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {"schema": ImageBody.model_json_schema()},
        "multipart/form-data": {
            "schema": {"type": "object", "properties": {FIELD: {"type": "string", "format": "binary"}}}
        },
    },
}

router = APIRouter(tags=["scores"])


class MapBody(BaseModel):
    """What real_probability becomes with a square of the scored image covered by paper."""

    rows: int = PLACES
    columns: int = PLACES
    patch: int = Field(PATCH, description="pixels a side of the square")
    stride: int = Field(STRIDE, description="pixels from one place to the next; the first is the upper left corner")
    real_probability: list[list[float]]


class ScoreBody(BaseModel):
    """What a picture is; what the model does not tell is null."""

    verdict: Literal["real_digit", "generated", "not_one_digit", "nothing_found", "unspecified"]
    real: bool = Field(description="whether the verdict is real_digit")
    real_probability: float
    digit: int | None = Field(description="the class that it is taken for, if it shows one digit at all")
    class_name: str | None
    digit_probability: float | None
    one_digit_probability: float | None
    version: int
    normalised: bool = Field(description="it was brought to MNIST's form, and the answer is about the result")
    scored_image: str | None = Field(description="what was scored: 28x28 bytes in base64, white ink on black")
    map: MapBody | None = Field(None, description="where it was asked for")


@router.post("/v1/score", responses=PROBLEMS, openapi_extra={"requestBody": BODY})
async def score(request: Request, response: Response, map: bool = Query(False)) -> ScoreBody:
    """What a picture is: a real digit, a generated one, not one digit, or nothing at all. It is not kept."""
    parts = parts_of(request)
    response.headers["cache-control"] = "no-store"
    async with parts.scores.one():
        data, wants_map = await picture_of(request)
        if not data:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "the picture has no bytes", field="image")
        prepared = await parts.pictures.open(data)
        found = await parts.client.score(prepared, return_image=True)
        return await body_of(parts, found, map or wants_map)


async def body_of(parts: Parts, found: Score, wants_map: bool) -> ScoreBody:
    """A score in JSON, with the map where it is wanted and there is ink to cover."""
    image = found.scored_image
    covered = None
    if wants_map and image is not None and found.verdict is not Verdict.NOTHING_FOUND:
        covered = MapBody(real_probability=await real_probabilities(parts.client, image, found.version))  # type: ignore[arg-type]
    return ScoreBody(
        verdict=found.verdict.value.replace(" ", "_"),  # type: ignore[arg-type]
        real=found.real,
        real_probability=found.real_probability,
        digit=found.digit,
        class_name=await class_name(parts, found),
        digit_probability=found.digit_probability,
        one_digit_probability=found.one_digit_probability,
        version=found.version,
        normalised=found.normalised,
        scored_image=None if image is None else base64.b64encode(image.tobytes()).decode(),
        map=covered,
    )


async def class_name(parts: Parts, found: Score) -> str | None:
    """The name of the class that an image is taken for."""
    model = next((model for model in await parts.models.recently() if model.version == found.version), None)
    if model is None or found.digit is None or found.digit >= len(model.class_names):
        return None
    return model.class_names[found.digit]
