"""The real trainer before a visitor's eyes."""

from collections.abc import Iterator
from pathlib import Path

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


def test_link_to_rates_and_lengths_that_there_are_not_says_so(open_page: Open, training_address: str) -> None:
    page = open_page("#/train?g=0&d=x&images=5", address=training_address)
    notice = page.locator("#notice")
    for said in ("“0” times the usual", "“x” times the usual", "“5” digits", "0.01 to 100", "10000, 30000, 60000"):
        expect(notice).to_contain_text(said)
    expect(page.get_by_role("radio", name="An even match")).to_be_checked()
    page.evaluate("location.hash = '#/train?g=10&d=0.03&images=60000'")
    expect(notice).to_be_empty()
    expect(page.get_by_role("radio", name="The forger")).to_be_checked()
    expect(page.get_by_role("radio", name="60,000")).to_be_checked()


def test_run_that_cannot_start_says_why_and_is_not_waited_for(
    open_page: Open, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_folder = tmp_path / "data"
    no_folder.write_text("")
    monkeypatch.setenv("DATA_DIR", str(no_folder))
    process = start_page(address, tmp_path / "stderr", "--allow-training")
    try:
        page = open_page("#/train", address=process.address)
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.locator(".train-progress .note")).to_have_text("The trainer starts; it takes some seconds.")
        expect(page.locator(".train-controls .note")).to_contain_text("The run failed: ", timeout=120_000)
        expect(page.locator(".train-controls .note")).to_contain_text(str(no_folder))
        expect(page.locator(".train-progress .note")).to_be_empty()
    finally:
        end(process)
