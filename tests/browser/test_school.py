"""The school in a browser: six chapters, three recorded runs, by mouse and by keys."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.processes import ROOT

RECORDED = ROOT / "page" / "static" / "school"
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
ON_ITS_WAY = re.compile(r"^([3-9]|\d\d)$")  # a moment that only playing comes to
NAMES = ("balanced", "discriminator-too-strong", "generator-too-strong")


class School:
    """The scene in a window of its own; at the end, nothing must have gone wrong in it."""

    def __init__(self, chromium: Browser, address: str) -> None:
        self._chromium, self._address = chromium, address
        self._pages: list[Page] = []
        self.complaints: list[str] = []

    def __call__(self, state: str = "", size: Any = DESKTOP, calm: bool = True, **options: Any) -> Page:
        reduced: Any = "reduce" if calm else "no-preference"
        window = self._chromium.new_context(viewport=size, reduced_motion=reduced, **options)
        window.set_default_timeout(60_000)
        page = window.new_page()
        self._pages.append(page)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda told: self.complaints.append(told.text) if told.type == "error" else None)
        page.goto(f"{self._address}/#/school?{state}")
        ready(page)
        return page

    def close(self) -> None:
        for page in self._pages:
            page.context.close()


@pytest.fixture
def school(chromium: Browser, page_address: str) -> Iterator[School]:
    scene = School(chromium, page_address)
    yield scene
    scene.close()
    assert scene.complaints == []


def ready(page: Page) -> None:
    expect(page.locator(".school-stage")).to_have_attribute("aria-busy", "false", timeout=60_000)


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="Moment of the run")


def told(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())
    return content


def ink(page: Page) -> list[int]:
    """All that the canvas of digits shows."""
    look = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"
    pixels: list[int] = page.locator(".school-digits canvas").first.evaluate(look)
    return pixels


def test_six_chapters_follow_each_other(school: School) -> None:
    page = school()
    titles = []
    for chapter in range(1, 7):
        ready(page)
        expect(page.locator(".school-chapters [aria-current]")).to_contain_text(str(chapter))
        titles.append(page.locator(".school-text h2").inner_text())
        if chapter < 6:
            page.get_by_role("button", name="Next scene").click()
    expect(page.get_by_role("button", name="Next scene")).to_be_disabled()
    assert len(set(titles)) == 6
    expect(page.locator(".school-run")).to_have_count(3)


def test_the_forger_makes_other_digits_of_the_same_noise_as_it_learns(school: School) -> None:
    page = school("chapter=1&at=0")
    first = ink(page)
    slider(page).press("End")
    assert ink(page) != first
    slider(page).press("Home")
    assert ink(page) == first


def test_the_slider_is_moved_by_keys_and_its_place_is_kept_in_the_address(school: School) -> None:
    page = school("chapter=3&at=10")
    slider(page).press("ArrowRight")
    expect(slider(page)).to_have_attribute("aria-valuetext", f"after {told('balanced')['images'][11]:,} images")
    page.wait_for_url(re.compile("chapter=3&at=11$"))
    page.reload()
    ready(page)
    assert slider(page).input_value() == "11"


@pytest.mark.parametrize(("chapter", "name"), [(4, NAMES[1]), (5, NAMES[2])])
def test_the_trainers_words_are_those_that_it_said(school: School, chapter: int, name: str) -> None:
    page = school(f"chapter={chapter}")
    expect(page.locator(".school-words blockquote")).to_have_text(told(name)["events"][-1]["text"])
    expect(page.locator(".school-provoked code")).to_have_text(told(name)["command"])
    slider(page).press("Home")
    expect(page.locator(".school-words blockquote")).to_be_hidden()


def test_the_slider_says_that_it_shows_the_beginning_finer(school: School) -> None:
    page = school("chapter=1")
    images = told("balanced")["images"]
    hint = f"half-way along the slider, the run has seen {images[len(images) // 2]:,} of {images[-1]:,} images"
    expect(page.locator(".school-bench > .note")).to_contain_text(hint)


def test_playing_goes_on_until_it_is_paused(school: School) -> None:
    page = school("chapter=3&at=0")
    page.get_by_role("button", name="Play").press("Enter")
    expect(slider(page)).to_have_value(ON_ITS_WAY)
    page.get_by_role("button", name="Pause").press("Enter")
    paused = slider(page).input_value()
    page.wait_for_timeout(500)
    assert slider(page).input_value() == paused


def test_a_chapter_plays_by_itself_unless_movement_is_unwanted(school: School) -> None:
    moving = school("chapter=1", calm=False)
    expect(slider(moving)).to_have_value(ON_ITS_WAY)
    still = school("chapter=1")
    assert slider(still).input_value() == slider(still).get_attribute("max")
    expect(still.get_by_role("button", name="Play")).to_be_visible()


def test_another_run_is_looked_at_in_the_same_chapter(school: School) -> None:
    page = school("chapter=2")
    page.get_by_role("radio", name="Forger too strong").check(force=True)
    ready(page)
    expect(page.locator(".school-run")).to_have_attribute("data-run", "generator-too-strong")
    assert "run=generator-too-strong" in page.url


def test_it_speaks_chinese_and_repeats_what_the_trainer_said(school: School) -> None:
    page = school("chapter=5", locale="zh-CN")
    expect(page.locator(".school-text h2")).to_have_text("看不见的老师")
    expect(page.locator(".school-words blockquote")).to_have_text(told(NAMES[2])["events"][-1]["text"])
    expect(page.locator(".school-words")).to_contain_text("模式崩塌")


@pytest.mark.parametrize("chapter", range(1, 7))
def test_a_phone_shows_it_whole(school: School, chapter: int) -> None:
    page = school(f"chapter={chapter}", size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(school: School, scheme: Any) -> None:
    for chapter in (3, 5, 6):
        page = school(f"chapter={chapter}", color_scheme=scheme)
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run()")
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []


def test_whatever_the_trainer_said_is_explained() -> None:
    words = json.loads((RECORDED.parent / "words" / "school" / "en.json").read_text())
    kinds = {event["kind"] for name in NAMES for event in told(name)["events"]}
    assert {f"school.said.{kind}" for kind in kinds} <= words.keys()
