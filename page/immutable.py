"""What has an address of its own and never changes: a cache keeps it, and who has it is not sent it again.

An address names the model by the SHA-256 of its file, and with it everything that the answer depends on. So its ETag
is told from the address alone, and a request that has it already is answered without asking the server, unless the
model is known not to be served any more. The ETag is a weak one: on another kind of processor a pixel may differ by a
level (docs/processors.md), and another zlib packs otherwise.
"""

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from zlib_ng import zlib_ng

from page.parts import parts_of
from page.problems import ProblemBody

FOREVER = "public, max-age=31536000, immutable"
RENDERING = 1  # to be raised where the same address is drawn otherwise
RESPONSES: dict[int | str, dict[str, Any]] = {
    304: {"description": "the caller has it already"},
    **{
        status: {"model": ProblemBody, "content": {"application/problem+json": {}}, "description": words}
        for status, words in {
            404: "the model is not served, or not any more",
            422: "a parameter is out of bounds",
            503: "the server does not answer",
        }.items()
    },
}


def etag_of(request: Request) -> str:
    """The ETag of a request's address."""
    place = f"{request.url.path}?{request.url.query}".encode()
    return f'W/"{RENDERING}-{zlib_ng.crc32(place):08x}"'


def not_modified(request: Request, digest: str) -> Response | None:
    """The answer to who has it already, None for others, and where the model with this digest has gone."""
    etag = etag_of(request)
    given = request.headers.get("if-none-match", "")
    if etag.removeprefix("W/") not in (one.strip().removeprefix("W/") for one in given.split(",")):
        return None
    if parts_of(request).models.has_gone(digest):
        return None
    return Response(status_code=304, headers={"cache-control": FOREVER, "etag": etag})


def kept(request: Request, content: bytes, media_type: str) -> Response:
    """An answer that never changes."""
    headers = {"cache-control": FOREVER, "etag": etag_of(request)}
    return Response(content, headers=headers, media_type=media_type)
