"""The page's application: its routes put together, and the one connection to the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from page import addresses, live_training, models, scoring, walk
from page.parts import Parts
from page.problems import tell_problems
from page.security import Guard
from page.settings import Settings

STATIC = Path(__file__).parent / "static"


def build_app(settings: Settings) -> FastAPI:
    """The application that a page with these settings is."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with Parts.running(settings) as app.state.parts:
            yield

    # Without its pages of documentation, which load scripts from elsewhere; /openapi.json is there.
    app = FastAPI(title="digitforge", version=version("digitforge"), lifespan=running, docs_url=None, redoc_url=None)
    app.include_router(addresses.router)
    app.include_router(models.router)
    app.include_router(walk.router)
    app.include_router(scoring.router)
    app.include_router(live_training.router)

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    tell_problems(app)
    if settings.allowed_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.allowed_origins, allow_methods=["*"])
    app.add_middleware(Guard, settings.allowed_hosts, settings.allowed_origins)
    return app
