"""Runs of the real trainer that visitors start: one at a time, told while they go on, gone with the page."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import PATIENCE_S, ROOT, Server, end, start_page

pytestmark = pytest.mark.timeout(900)  # the trainer makes way for all else that the machine does
RATES = {"lr_g": 0.003, "lr_d": 0.003}


@pytest.fixture(scope="module")
def page(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A page on which visitors may train; needs MNIST in DATA_DIR."""
    if not (Path(os.environ.get("DATA_DIR") or "data") / "MNIST").is_dir():
        pytest.skip("needs MNIST in DATA_DIR")
    page = start_page(address, tmp_path_factory.mktemp("page") / "stderr", "--allow-training")
    yield page
    end(page)


@pytest.fixture
def visitor(page: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.address, timeout=PATIENCE_S) as client:
        yield client


def events(visitor: httpx.Client, until: str, after: str = "") -> list[tuple[str, str, dict[str, object]]]:
    """Place, kind and content of what happened, up to the first of a kind."""
    found: list[tuple[str, str, dict[str, object]]] = []
    place = kind = ""
    headers = {"last-event-id": after} if after else {}
    with visitor.stream("GET", "/v1/training/events", headers=headers, timeout=240) as stream:
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                place = value
            elif name == "event":
                kind = value
            elif name == "data":
                found.append((place, kind, json.loads(value)))
                if kind == until:
                    return found
    raise AssertionError(f"the stream ended before {until}: {found[-3:]}")


def test_training_is_off_unless_the_page_was_started_with_it(browser: httpx.Client) -> None:
    assert browser.get("/v1/training").json() == {"allowed": False, "running": False, "run": None}
    refused = browser.post("/v1/training", json=RATES)
    assert refused.status_code == 403
    assert "--allow-training" in refused.json()["detail"]


@pytest.mark.parametrize("field", ["lr_g", "lr_d", "images"])
def test_what_no_run_takes_is_refused_by_name(field: str, visitor: httpx.Client) -> None:
    refused = visitor.post("/v1/training", json={**RATES, field: -1})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["field"] == field


def test_run_is_told_while_it_goes_on_and_from_where_a_reader_broke_off(visitor: httpx.Client) -> None:
    started = visitor.post("/v1/training", json={**RATES, "images": 2_000})
    assert started.status_code == 201
    assert started.json()["run"]["state"] == "running"
    again = visitor.post("/v1/training", json=RATES)
    assert again.status_code == 409
    told = events(visitor, until="ended")
    assert told[-1][2] == {"state": "finished", "message": ""}
    kinds = [kind for _, kind, _ in told]
    assert {"metrics", "sheet"} <= set(kinds)
    assert events(visitor, until="ended", after=told[1][0]) == told[2:]
    assert visitor.get("/v1/training/preview.png").content.startswith(b"\x89PNG")
    assert visitor.get("/v1/training").json()["run"]["images_seen"] >= 1_000


def test_run_is_stopped_when_it_is_asked_to(visitor: httpx.Client) -> None:
    latest = latest_run()
    assert visitor.post("/v1/training", json={**RATES, "images": 500_000}).status_code == 201
    events(visitor, until="metrics")
    assert latest_run() == latest  # the page's run goes with it, and is nobody's to export
    assert visitor.delete("/v1/training").json()["run"]["state"] == "stopped"
    assert events(visitor, until="ended")[-1][2] == {"state": "stopped", "message": ""}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the processes from Linux's /proc")
@pytest.mark.parametrize("by_force", [False, True])
def test_run_ends_with_the_page(by_force: bool, page: Server, address: str, tmp_path: Path) -> None:
    own = start_page(address, tmp_path / "stderr", "--allow-training")
    try:
        with httpx.Client(base_url=own.address, timeout=PATIENCE_S) as visitor:
            assert visitor.post("/v1/training", json={**RATES, "images": 500_000}).status_code == 201
            events(visitor, until="metrics")
        trainers = [pid for pid in children(own.process.pid) if b"digitforge-train" in command(pid)]
        assert len(trainers) == 1
        if by_force:
            own.process.kill()
        else:
            assert own.stop() == 0
        until = time.monotonic() + PATIENCE_S
        while any(b"digitforge-train" in command(pid) for pid in trainers):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        end(own)


def latest_run() -> str | None:
    """Where the link to the latest run leads, in the folder in which the page was started."""
    link = ROOT / "artifacts/runs/latest"
    return str(link.readlink()) if link.is_symlink() else None


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> bytes:
    """What it was started with; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
