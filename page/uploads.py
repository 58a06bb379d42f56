"""A picture out of a request: its bytes, a form's file, or JSON with base64. It is held in memory, and nowhere else."""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator
from http import HTTPStatus

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from page.problems import ProblemError, of_validation

MOST_BYTES = 16 << 20  # as many as the server takes of a message
MOST_TIME_S = 20.0
DRAINED = 4  # times the limit that are read and forgotten, so that the caller reads the refusal
FIELD = "file"


class ImageBody(BaseModel):
    """A picture in JSON."""

    model_config = ConfigDict(extra="forbid")

    image: str
    map: bool = False


async def picture_of(request: Request) -> tuple[bytes, bool]:
    """The picture that a request brings, and whether its JSON asks for a map.

    Raises:
        ProblemError: There is none, or it is too large or too slow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await body_of(request)
    if kind == "application/json":
        return _of_json(body)
    if kind == "multipart/form-data":
        return await _of_form(request, body), False
    if not kind or kind.startswith("image/") or kind == "application/octet-stream":
        if not body:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "the request has no body: no picture", field="body")
        return body, False
    raise ProblemError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"a body of type {kind[:100]!r} is no picture",
        field="Content-Type",
        value=kind,
        limit="image/*, application/octet-stream, multipart/form-data or application/json",
    )


async def body_of(request: Request, most_bytes: int = MOST_BYTES) -> bytes:
    """A request's body.

    Raises:
        ProblemError: It is larger than `most_bytes`, or not there in time.
    """
    body, read = bytearray(), 0
    try:
        async with asyncio.timeout(MOST_TIME_S):
            async for piece in request.stream():
                read += len(piece)
                if read <= most_bytes:
                    body += piece
                elif read > DRAINED * most_bytes:
                    break
                else:
                    body.clear()
    except TimeoutError as error:
        raise ProblemError(
            HTTPStatus.REQUEST_TIMEOUT,
            f"{read} bytes came within {MOST_TIME_S:g} s, and no end",
            field="body",
            value=read,
            limit=f"the whole body within {MOST_TIME_S:g} s",
        ) from error
    if read > most_bytes:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a body of {read} bytes or more",
            field="body",
            value=read,
            limit=f"{most_bytes} bytes",
        )
    return bytes(body)


def _of_json(body: bytes) -> tuple[bytes, bool]:
    try:
        found = ImageBody.model_validate_json(body)
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        raise of_validation({**finding, "loc": ("body", *(finding["loc"] or ("body",)))}) from error
    try:
        # As scripts have it from a canvas: data:image/png;base64,...
        encoded = found.image.partition(",")[2] if found.image.startswith("data:") else found.image
        image = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"image: no base64: {error}", field="image") from error
    return image, found.map


class _InMemory(MultiPartParser):
    spool_max_size = MOST_BYTES + 1  # beyond, a part would become a file


async def _of_form(request: Request, body: bytes) -> bytes:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(request.headers, pieces(), max_files=1, max_fields=8).parse()
    except (MultiPartException, KeyError) as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the form: {error}", field=FIELD) from error
    file = form.get(FIELD)
    if not isinstance(file, UploadFile):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{FIELD}: the form has no such file", field=FIELD)
    try:
        return await file.read()
    finally:
        await form.close()
