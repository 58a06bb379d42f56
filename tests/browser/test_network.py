"""What the page weighs, how soon it is there, and what it does without its server."""

import re
import shutil
import statistics
import subprocess
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open
from tests.processes import ROOT, end, start, start_page

FIRST_VIEW_BYTES = 200_000
FIRST_VIEW_CPU_S = 0.5  # of the browser's main thread, until the page can be used: half of the second that it may take


def cpu_until_ready_s(chromium: Browser, address: str) -> float:
    """What a first view costs the page's main thread, however busy the machine is with other work."""
    context = chromium.new_context(locale="en-US")
    try:
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(address, wait_until="commit")
        page.wait_for_selector("html[data-ready]")
        told = session.send("Performance.getMetrics")["metrics"]
        return next(float(each["value"]) for each in told if each["name"] == "TaskDuration")
    finally:
        context.close()


def test_first_view_is_small_and_all_of_it_from_here(open_page: Open, page_address: str) -> None:
    asked: list[tuple[str, int]] = []

    def watch(page: Page) -> None:
        page.on("requestfinished", lambda request: asked.append((request.url, request.sizes()["responseBodySize"])))

    page = open_page(before=watch)
    page.wait_for_load_state("networkidle")
    expect(page.locator(".wall-row").first).to_be_visible()
    assert [url for url, _ in asked if not url.startswith(page_address)] == []
    assert 0 < sum(size for _, size in asked) < FIRST_VIEW_BYTES


def test_first_view_leaves_the_browser_most_of_a_second(chromium: Browser, page_address: str) -> None:
    spent = statistics.median(cpu_until_ready_s(chromium, page_address) for _ in range(3))
    assert 0.01 < spent < FIRST_VIEW_CPU_S


def test_slow_network_still_shows_the_wall(open_page: Open) -> None:
    def slow_down(page: Page) -> None:
        slow = page.context.new_cdp_session(page)
        slow.send("Network.enable")
        slow.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000},
        )

    page = open_page(ready=False, before=slow_down)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".wall-row canvas.late").nth(3)).to_be_visible(timeout=20_000)


def test_page_waits_for_a_server_that_is_gone_and_goes_on_when_it_is_back(open_page: Open, tmp_path: Path) -> None:
    server = start(ROOT / "models", tmp_path / "first")
    port = server.address.rpartition(":")[2]
    page_process = start_page(server.address, tmp_path / "page")
    try:
        page = open_page("#/wall?seed=7", address=page_process.address)
        expect(page.locator(".wall-row canvas.late").first).to_be_visible()
        server.stop()
        page.get_by_label("Seed", exact=True).fill("8")
        page.get_by_label("Seed", exact=True).press("Enter")
        expect(page.locator("#connection")).to_contain_text("The server of digits does not answer", timeout=60_000)
        server = start(ROOT / "models", tmp_path / "second", "--port", port)
        expect(page.locator("#connection")).to_be_hidden(timeout=60_000)
        expect(page.locator(".wall-row canvas.late").first).to_be_visible(timeout=60_000)
        expect(page).to_have_url(re.compile("seed=8"))
    finally:
        end(page_process)
        end(server)


def test_page_says_when_its_own_server_is_gone(open_page: Open, address: str, tmp_path: Path) -> None:
    page_process = start_page(address, tmp_path / "page")
    page = open_page("#/wall?seed=7", address=page_process.address)
    end(page_process)
    page.get_by_label("Seed", exact=True).fill("9")
    page.get_by_label("Seed", exact=True).press("Enter")
    expect(page.locator("#connection")).to_contain_text("The page’s server does not answer")


def test_scripts_have_the_types_that_they_say() -> None:
    npm = shutil.which("npm")
    assert npm is not None
    checked = subprocess.run(
        [npm, "run", "--silent", "check"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
