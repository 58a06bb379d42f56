"""The real trainer before a visitor's eyes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.processes import end, start_page


@pytest.fixture
def training_address(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    page = start_page(address, tmp_path_factory.mktemp("page") / "stderr", "--allow-training")
    yield page.address
    page.stop()
    end(page)


def test_run_is_started_watched_and_stopped(open_page: Open, training_address: str) -> None:
    page = open_page("#/train?images=60000", address=training_address)
    start, stop = (page.get_by_role("button", name=name, exact=True) for name in ("Start", "Stop"))
    expect(stop).to_be_disabled()
    start.click()
    expect(start).to_be_disabled()
    expect(page.locator(".train-sheet > *").first).to_be_visible(timeout=120_000)
    stop.click()
    expect(start).to_be_enabled(timeout=30_000)
    expect(stop).to_be_disabled()
