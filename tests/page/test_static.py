"""What the browser gets before it asks for anything else."""

import httpx


def test_page_is_there_with_its_files(browser: httpx.Client) -> None:
    assert "<main" in browser.get("/").text
    assert browser.get("/static/index.html").headers["etag"]
