"""What the page says where it cannot do what it was asked: problem+json (RFC 9457), with the field, value and limit."""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from digitforge import (
    DeadlineExceededError,
    DigitforgeError,
    InvalidArgumentError,
    NotFoundError,
    OverloadedError,
    UnreachableError,
)

RETRY_AFTER_S = 1  # where the server does not say when to come again
LONGEST_VALUE = 100  # characters of a refused value that are told back


class ProblemBody(BaseModel):
    """A problem, as it is told."""

    type: str = "about:blank"
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what is wrong, for a person to read")
    field: str | None = Field(None, description="the parameter or field that is wrong")
    value: Any = Field(None, description="what it is")
    limit: str | None = Field(None, description="what it may be")


class ProblemError(Exception):
    """A request that is not answered as it was asked.

    Args:
        status: HTTP's.
        detail: What is wrong.
        field, value, limit: Of the parameter that is wrong, where it is one.
        retry_after_s: When to come again.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        field: str | None = None,
        value: Any = None,
        limit: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        value = value[:LONGEST_VALUE] if isinstance(value, str) else value
        self.body = ProblemBody(
            title=status.phrase, status=status, detail=detail, field=field, value=value, limit=limit
        )
        self.headers = {"cache-control": "no-store"}
        if retry_after_s is not None:
            self.headers["retry-after"] = str(max(1, math.ceil(retry_after_s)))

    def response(self) -> JSONResponse:
        """As it is sent."""
        return JSONResponse(
            self.body.model_dump(), self.body.status, self.headers, media_type="application/problem+json"
        )


def of_server(error: DigitforgeError) -> ProblemError:
    """What an error of the server, or of the way to it, is to a visitor."""
    match error:
        case UnreachableError():
            detail = "the server of the digits does not answer; the page goes on once it is back"
            return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after_s=RETRY_AFTER_S)
        case DeadlineExceededError():
            return ProblemError(HTTPStatus.GATEWAY_TIMEOUT, "the server of the digits did not answer in time")
        case OverloadedError():
            wait = error.retry_after_s or RETRY_AFTER_S
            return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, error.message, retry_after_s=wait)
        case NotFoundError():
            return ProblemError(HTTPStatus.NOT_FOUND, error.message)
        case InvalidArgumentError():
            field = next(iter(error.violations), None)
            return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, error.message, field=field)
    return ProblemError(HTTPStatus.BAD_GATEWAY, f"the server of the digits failed: {error.message}")


def of_validation(finding: Mapping[str, Any]) -> ProblemError:
    """One of pydantic's findings."""
    place = [str(part) for part in finding["loc"][1:]] or [str(finding["loc"][-1])]
    bounds = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "max_length": "characters, at most"}
    context = finding.get("ctx") or {}
    limit = " and ".join(f"{words} {context[name]}" for name, words in bounds.items() if name in context)
    value = finding["input"]
    if not isinstance(value, str | int | float | bool | None):
        value = None
    field, detail = ".".join(place), finding["msg"].removeprefix("Value error, ")
    if finding["type"] == "extra_forbidden":
        detail = "there is no such parameter"
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{field}: {detail}",
        field=field,
        value=value,
        limit=limit or context.get("expected"),
    )


def tell_problems(app: FastAPI) -> None:
    """Have an application tell whatever goes wrong as a problem."""

    @app.exception_handler(ProblemError)
    async def _(request: Request, problem: ProblemError) -> JSONResponse:
        return problem.response()

    @app.exception_handler(DigitforgeError)
    async def _(request: Request, error: DigitforgeError) -> JSONResponse:
        return of_server(error).response()

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> JSONResponse:
        return of_validation(error.errors()[0]).response()

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        response = ProblemError(HTTPStatus(error.status_code), str(error.detail)).response()
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> JSONResponse:
        return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "the page failed; its log says how").response()
