"""Who may ask the page, and what browsers are told of its answers."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import end, start_page


def test_headers_keep_a_browser_to_the_page(browser: httpx.Client) -> None:
    for path in ("/", "/static/scripts/main.js", "/v1/models"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
def test_page_is_asked_for_by_this_machines_names(host: str, browser: httpx.Client) -> None:
    assert browser.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1"])
def test_name_of_a_strangers_that_leads_here_is_refused(host: str, browser: httpx.Client) -> None:
    refused = browser.get("/v1/models", headers={"host": host})
    assert refused.status_code == 421
    assert refused.json()["field"] == "Host"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_script_of_another_site_is_refused(origin: str, browser: httpx.Client) -> None:
    refused = browser.post("/v1/score", content=b"x", headers={"origin": origin, "content-type": "image/png"})
    assert refused.status_code == 403
    assert refused.json()["field"] == "Origin"


def test_script_of_the_page_itself_is_answered(browser: httpx.Client, page_address: str) -> None:
    answer = browser.post("/v1/score", content=b"x", headers={"origin": page_address, "content-type": "image/png"})
    assert answer.status_code == 422  # it is no picture: it was looked at


@pytest.fixture
def open_page(address: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a page that is told another name and another site."""
    options = ("--allowed-host", "digits.example", "--allowed-origin", "https://friend.example")
    page = start_page(address, tmp_path / "stderr", *options)
    with httpx.Client(base_url=page.address, timeout=60) as client:
        yield client
    end(page)


def test_who_is_allowed_is_answered(open_page: httpx.Client) -> None:
    answer = open_page.get("/v1/models", headers={"host": "digits.example", "origin": "https://friend.example"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"
    other = open_page.get("/v1/models", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
