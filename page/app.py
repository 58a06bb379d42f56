"""The page's application: its routes put together, and the one connection to the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from digitforge import AsyncClient
from page.settings import Settings

STATIC = Path(__file__).parent / "static"


def build_app(settings: Settings) -> FastAPI:
    """The application that a page with these settings is."""

    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncClient(settings.address) as app.state.client:
            yield

    app = FastAPI(title="digitforge", lifespan=connected)

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
