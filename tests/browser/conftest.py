"""Debian's Chromium before a real page beside a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.pages import address, page_address

__all__ = ["address", "page_address"]  # fixtures

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
PATIENCE_MS = 20_000

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, page_address: str) -> Iterator[Open]:
    """Opens a state of the page, in a window of its own; afterwards it must have reported no error.

    What watches the first view, or slows it down, is told to the window `before` it goes there: a page that is still
    coming cannot always be loaded again.
    """
    errors: list[str] = []
    contexts = []

    def open_it(
        state: str = "",
        width: int = 1280,
        height: int = 800,
        address: str = page_address,
        ready: bool = True,
        before: Callable[[Page], None] = lambda page: None,
        **how: object,
    ) -> Page:
        how.setdefault("locale", "en-US")
        context = chromium.new_context(viewport={"width": width, "height": height}, **how)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
        before(page)
        page.goto(f"{address}/{state}", wait_until="commit")
        if ready:
            page.wait_for_selector("html[data-ready]")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []
