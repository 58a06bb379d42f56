"""Real pages beside real servers of the shipped pair."""

from collections.abc import Iterator

import httpx
import pytest

from tests.processes import ROOT, end, start, start_page

SHIPPED = ROOT / "models"


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server of the shipped pair, for all tests together."""
    server = start(SHIPPED, tmp_path_factory.mktemp("server") / "stderr")
    yield server.address
    end(server)


@pytest.fixture(scope="session")
def page_address(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page beside it, such as `http://127.0.0.1:8080`."""
    page = start_page(address, tmp_path_factory.mktemp("page") / "stderr")
    yield page.address
    end(page)


@pytest.fixture
def browser(page_address: str) -> Iterator[httpx.Client]:
    """A client of that page, which follows no redirect by itself."""
    with httpx.Client(base_url=page_address, timeout=60) as client:
        yield client
