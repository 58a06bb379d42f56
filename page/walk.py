"""The walk between two digits, as a strip of pictures or as a film."""

import asyncio
import io
import re
from http import HTTPStatus
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from digitforge.messages import Model
from page.addresses import LAST, Digest
from page.immutable import RESPONSES, kept, not_modified
from page.interpolation import End, way
from page.made_digits import check_digit
from page.parts import Parts, parts_of
from page.problems import ProblemError
from page.renderings import enlarged, png_sheet

FRAME_MS = 60
END_MS = 600  # for which a film stays at either end
PLACE = re.compile("(0|[1-9][0-9]*)/(0|[1-9][0-9]*)")

router = APIRouter(tags=["digits"])


class Walk(BaseModel):
    """From where to where, and in how many steps."""

    model_config = ConfigDict(extra="forbid")

    from_: str = Field(alias="from", description="SEED/INDEX of a digit")
    to: str = Field(description="SEED/INDEX of another")
    digit_from: int | None = Field(None, ge=0, le=9, description="class of the first; absent: what it has anyway")
    digit_to: int | None = Field(None, ge=0, le=9, description="class of the last")
    steps: int = Field(16, ge=2, le=64, description="frames, both ends included")
    scale: int = Field(1, ge=1, le=8, description="pixels of a side for each")


@router.get("/v1/models/{digest}/walk.{ending}", response_class=Response, responses=RESPONSES)
async def walk(
    request: Request, digest: Digest, ending: Literal["png", "gif"], how: Annotated[Walk, Query()]
) -> Response:
    """The way between two digits through their latents: frames side by side, or a film there and back."""
    start, end = end_of("from", how.from_, how.digit_from), end_of("to", how.to, how.digit_to)
    if (unchanged := not_modified(request, digest)) is not None:
        return unchanged
    parts = parts_of(request)
    images = await parts.made.by(digest, lambda model: frames(parts, model, start, end, how.steps))
    if ending == "png":
        return kept(request, await asyncio.to_thread(png_sheet, images, how.steps, how.scale), "image/png")
    return kept(request, await asyncio.to_thread(film, enlarged(images, how.scale)), "image/gif")


async def frames(parts: Parts, model: Model, start: End, end: End, steps: int) -> NDArray[np.uint8]:
    """uint8[steps, 28, 28], from one digit to the other."""
    check_digit("digit_from", start.digit, model)
    check_digit("digit_to", end.digit, model)
    answer = await parts.client.infer("generator", way(start, end, steps, model), version=model.version)
    images: NDArray[np.uint8] = answer["images"]
    return images


def film(images: NDArray[np.uint8]) -> bytes:
    """uint8[n, height, width] -> a GIF file that goes through them there and back, again and again."""
    there_and_back = [Image.fromarray(image) for image in (*images, *images[-2:0:-1])]
    durations = [FRAME_MS] * len(there_and_back)
    durations[0] = durations[len(images) - 1] = END_MS
    buffer = io.BytesIO()
    there_and_back[0].save(
        buffer, "GIF", save_all=True, append_images=there_and_back[1:], duration=durations, loop=0, optimize=False
    )
    return buffer.getvalue()


def end_of(field: str, text: str, digit: int | None) -> End:
    """An end of a walk, from SEED/INDEX.

    Raises:
        ProblemError: It is none.
    """
    found = PLACE.fullmatch(text)
    if found is None or not all(int(number) <= LAST for number in found.groups()):
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{field}: {text[:100]!r} names no digit",
            field=field,
            value=text,
            limit=f"SEED/INDEX, each from 0 to {LAST}",
        )
    return End(int(found[1]), int(found[2]), digit)
