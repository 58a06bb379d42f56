"""Real pages beside real servers of the shipped pair."""

from collections.abc import Iterator

import httpx
import pytest

from tests.pages import address, page_address

__all__ = ["address", "page_address"]  # fixtures


@pytest.fixture
def browser(page_address: str) -> Iterator[httpx.Client]:
    """A client of that page, which follows no redirect by itself."""
    with httpx.Client(base_url=page_address, timeout=60) as client:
        yield client
