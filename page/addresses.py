"""Digits by their addresses: every one that there ever will be has one.

/v1/digits/7/5.png leads to /v1/models/{digest}/digits/7/5.png of the default model, which never changes.
"""

import asyncio
import json
import re
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from digitforge import GeneratedDigits
from digitforge.messages import Model
from digitforge.pictures.sizes import RAW_BYTES
from page.immutable import RESPONSES, kept, not_modified
from page.parts import parts_of
from page.problems import ProblemError
from page.renderings import npz, png_sheet

LAST = 2**64 - 1  # seed, and index
MOST_IMAGES = 1_000  # in one answer
MOST_PIXELS = 4_000_000
LARGE = 200_000  # pixels that are packed beside the loop
REDIRECT_FOR_S = 60
MEDIA_TYPES = {"png": "image/png", "json": "application/json", "npz": "application/x-npz"}


def _plain(text: Any) -> Any:
    """Refuse what Python would read as a number too, such as 007 and 1_000: a digit has one address."""
    if isinstance(text, str) and not re.fullmatch("0|[1-9][0-9]*", text):
        raise ValueError("it is no whole number from 0")
    return text


Number = Annotated[int, BeforeValidator(_plain), Path(ge=0, le=LAST)]
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the generator's file: see /v1/models")]
Ending = Annotated[Literal["png", "json", "npz"], Path(description="a picture, labels, or NumPy's arrays")]


class One(BaseModel):
    """How a digit is to be."""

    model_config = ConfigDict(extra="forbid")

    digit: int | None = Field(None, ge=0, le=9, description="its class; absent: the index modulo the classes")
    scale: int = Field(1, ge=1, le=32, description="pixels of a side for each, in a PNG")


class Several(One):
    """How digits side by side are to be."""

    columns: int = Field(10, ge=1, le=MOST_IMAGES, description="digits a row, in a PNG")


router = APIRouter(tags=["digits"])


@router.get("/v1/digits/{seed}/{first}-{last}.{ending}", status_code=307, response_class=RedirectResponse)
async def sheet_of_default(
    request: Request, seed: Number, first: Number, last: Number, ending: Ending, how: Annotated[Several, Query()]
) -> Response:
    """The same digits of the default model: leads to their address."""
    check_range(first, last, how.scale)
    return await redirect(request)


@router.get("/v1/digits/{seed}/{index}.{ending}", status_code=307, response_class=RedirectResponse)
async def digit_of_default(
    request: Request, seed: Number, index: Number, ending: Ending, how: Annotated[One, Query()]
) -> Response:
    """The same digit of the default model: leads to its address."""
    return await redirect(request)


@router.get("/v1/models/{digest}/digits/{seed}/{first}-{last}.{ending}", response_class=Response, responses=RESPONSES)
async def sheet(
    request: Request,
    digest: Digest,
    seed: Number,
    first: Number,
    last: Number,
    ending: Ending,
    how: Annotated[Several, Query()],
) -> Response:
    """Digits of a seed's stream, from `first` to `last`."""
    check_range(first, last, how.scale)
    return await answer(request, digest, seed, first, last, ending, how)


@router.get("/v1/models/{digest}/digits/{seed}/{index}.{ending}", response_class=Response, responses=RESPONSES)
async def digit(
    request: Request, digest: Digest, seed: Number, index: Number, ending: Ending, how: Annotated[One, Query()]
) -> Response:
    """A digit of a seed's stream."""
    return await answer(request, digest, seed, index, index, ending, how)


async def redirect(request: Request) -> Response:
    """To the same of the default model, for a minute: by then there may be another."""
    model = await parts_of(request).models.default()
    place = request.url.path.replace("/v1/", f"/v1/models/{model.generator_sha256}/", 1)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(place + query, 307, {"cache-control": f"public, max-age={REDIRECT_FOR_S}"})


async def answer(request: Request, digest: str, seed: int, first: int, last: int, ending: str, how: One) -> Response:
    """Digits in one of the forms; to who has them already, that they are the same."""
    if (unchanged := not_modified(request, digest)) is not None:
        return unchanged
    digits, model = await parts_of(request).made.digits(digest, seed, first, last - first + 1, how.digit)
    if len(digits.images) * RAW_BYTES * how.scale**2 > LARGE:
        content = await asyncio.to_thread(rendered, digits, model, ending, how)
    else:
        content = rendered(digits, model, ending, how)
    return kept(request, content, MEDIA_TYPES[ending])


def rendered(digits: GeneratedDigits, model: Model, ending: str, how: One) -> bytes:
    """Digits as a file."""
    if ending == "png":
        return png_sheet(digits.images, how.columns if isinstance(how, Several) else 1, how.scale)
    return npz(digits, model.generator_sha256) if ending == "npz" else labels(digits, model, how)


def labels(digits: GeneratedDigits, model: Model, how: One) -> bytes:
    """What the digits show, in JSON, with the address of each."""
    images = []
    for place in range(len(digits.images)):
        index = digits.offset + place
        number = None if digits.classes is None else int(digits.classes[place])
        asked = "" if how.digit is None else f"?digit={how.digit}"
        images.append(
            {
                "index": index,
                "digit": number,
                "class_name": None if number is None else model.class_names[number],
                "address": f"/v1/models/{model.generator_sha256}/digits/{digits.seed}/{index}.png{asked}",
            }
        )
    what = {"digest": model.generator_sha256, "dataset": model.dataset, "seed": digits.seed, "images": images}
    return json.dumps(what, separators=(",", ":")).encode()


def check_range(first: int, last: int, scale: int) -> None:
    """Refuse more digits than an answer holds.

    Raises:
        ProblemError: There are more, or none.
    """
    limit = min(MOST_IMAGES, MOST_PIXELS // (RAW_BYTES * scale**2))
    if first <= last < first + limit:
        return
    detail = f"last: {last} is before {first}" if last < first else f"{last - first + 1} digits at scale {scale}"
    raise ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        detail,
        field="last",
        value=last,
        limit=f"from {first} to {first + limit - 1}: {limit} digits at this scale",
    )
