"""Fixtures of a real page beside a real server of the shipped pair."""

from collections.abc import Iterator

import pytest

from tests.processes import ROOT, end, start, start_page


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server of the shipped pair, for all tests together."""
    server = start(ROOT / "models", tmp_path_factory.mktemp("server") / "stderr")
    yield server.address
    end(server)


@pytest.fixture(scope="session")
def page_address(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page beside it, such as `http://127.0.0.1:8080`, on which visitors may not train."""
    page = start_page(address, tmp_path_factory.mktemp("page") / "stderr")
    yield page.address
    end(page)
