"""Training for visitors to watch, where the page was started with --allow-training."""

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from page.parts import parts_of
from page.problems import ProblemBody, ProblemError
from page.trainer import Run, Trainer

HEARTBEAT_S = 15.0  # so that nobody between takes a quiet stream for a dead one
NO_STORE = {"cache-control": "no-store"}
NOT_ALLOWED = "training is off: start the page with --allow-training"

router = APIRouter(
    tags=["training"],
    responses={403: {"model": ProblemBody, "content": {"application/problem+json": {}}, "description": NOT_ALLOWED}},
)


class Start(BaseModel):
    """What a run is given."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    lr_g: float = Field(3e-3, ge=1e-6, le=1, description="the generator's learning rate")
    lr_d: float = Field(3e-3, ge=1e-6, le=1, description="the discriminator's")
    images: int = Field(60_000, ge=2_000, le=500_000, description="real digits that it sees")


class RunBody(BaseModel):
    """A run."""

    number: int = Field(description="since the page was started")
    lr_g: float
    lr_d: float
    images: int
    images_seen: int
    state: Literal["running", "finished", "stopped", "failed"]
    message: str = Field(description="why it failed")


class TrainingBody(BaseModel):
    """Whether visitors may train, and the run that goes on or was the last."""

    allowed: bool
    running: bool
    run: RunBody | None


@router.get("/v1/training")
async def training(request: Request, response: Response) -> TrainingBody:
    """Whether visitors may train, and the run that goes on or was the last."""
    response.headers.update(NO_STORE)
    return body_of(parts_of(request).trainer)


@router.post("/v1/training", status_code=201)
async def start(request: Request, response: Response, what: Start) -> TrainingBody:
    """Start a run, where none goes on."""
    response.headers.update(NO_STORE)
    trainer = trainer_of(request)
    await trainer.start(what.lr_g, what.lr_d, what.images)
    return body_of(trainer)


@router.delete("/v1/training")
async def stop(request: Request, response: Response) -> TrainingBody:
    """Stop the run, where one goes on."""
    response.headers.update(NO_STORE)
    trainer = trainer_of(request)
    await trainer.stop()
    return body_of(trainer)


@router.get(
    "/v1/training/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "readings, words, sheets, and the end"}},
)
async def events(request: Request, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    """What happens in the run from its start on, as server-sent events: `metrics`, `word`, `rewound`, `sheet`, `ended`.

    `Last-Event-ID`, which browsers send when they come again, has it go on where it broke off.
    """
    run = run_of(trainer_of(request))
    number, _, place = (last_event_id or "").partition("-")
    begin = int(place) + 1 if number == str(run.number) and place.isdecimal() else 0
    return StreamingResponse(stream(run, begin), headers=NO_STORE, media_type="text/event-stream")


@router.get("/v1/training/preview.png", response_class=FileResponse)
async def preview(request: Request) -> FileResponse:
    """The run's newest sheet: digits from the same latents every time."""
    sheet = run_of(trainer_of(request)).sheet
    if sheet is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "the run has no sheet yet")
    return FileResponse(sheet, headers=NO_STORE, media_type="image/png")


async def stream(run: Run, place: int) -> AsyncIterator[str]:
    """A run's entries as server-sent events, up to its end."""
    while True:
        entries = await run.after(place, HEARTBEAT_S)
        if not entries:
            if run.state != "running":
                return
            yield ": still there\n\n"
        for entry in entries:
            yield f"id: {run.number}-{place}\nevent: {entry.kind}\ndata: {json.dumps(entry.what)}\n\n"
            place += 1
            if entry.kind == "ended":
                return


def trainer_of(request: Request) -> Trainer:
    """The trainer, where visitors may use it.

    Raises:
        ProblemError: They may not.
    """
    trainer = parts_of(request).trainer
    if trainer is None:
        raise ProblemError(HTTPStatus.FORBIDDEN, NOT_ALLOWED)
    return trainer


def run_of(trainer: Trainer) -> Run:
    """Its run.

    Raises:
        ProblemError: There is none yet.
    """
    if trainer.run is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "no run was started yet")
    return trainer.run


def body_of(trainer: Trainer | None) -> TrainingBody:
    """The state in JSON."""
    run = trainer.run if trainer is not None else None
    found = None
    if run is not None:
        found = RunBody.model_validate(run, from_attributes=True)
    return TrainingBody(allowed=trainer is not None, running=run is not None and run.state == "running", run=found)
