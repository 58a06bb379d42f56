"""Every scene in both themes, on a desk and on a phone: no finding of axe-core, nothing beyond the edge."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import AXE, Open

STATIC = Path(__file__).parents[2] / "page/static"
SCENES = sorted(path.stem for path in (STATIC / "scripts/scenes").glob("*.js"))
STATES = [f"#/{scene}" for scene in SCENES] + ["#/wall?seed=7&open=13", "#/draw?strokes=A3AeeHp42Q"]
PHONE: dict[str, Any] = {"width": 360, "height": 740, "is_mobile": True, "has_touch": True}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("state", STATES)
def test_scene_has_no_finding_of_axe_and_fits(open_page: Open, state: str, size: dict[str, Any], theme: str) -> None:
    page = open_page(state, color_scheme=theme, reduced_motion="reduce", bypass_csp=True, **size)
    page.wait_for_load_state("networkidle")
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run().then(({violations}) => violations.map((v) => [v.id, v.nodes.map((n) => n.html)]))")
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scene", ["draw", "game"])
def test_keys_are_told_where_there_are_some(open_page: Open, scene: str) -> None:
    expect(open_page(f"#/{scene}").locator(".by-keyboard")).to_be_visible()
    expect(open_page(f"#/{scene}", **PHONE).locator(".by-keyboard")).to_be_hidden()


def test_walk_stands_in_the_middle(open_page: Open) -> None:
    page = open_page("#/walk?from=7/3&to=7/48&step=0", width=1600)
    page.wait_for_selector(".walk-strip canvas")
    for part in (".walk-middle", ".walk-strip"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert abs(2 * box["x"] + box["width"] - page.evaluate("document.documentElement.clientWidth")) < 2


@pytest.mark.parametrize("scene", SCENES)
def test_scene_speaks_chinese(open_page: Open, scene: str) -> None:
    page = open_page(f"#/{scene}", locale="zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert any("\u4e00" <= letter <= "\u9fff" for letter in page.locator(f"#{scene} h1").inner_text())


def test_switches_of_language_and_theme_are_kept_for_the_next_visit(open_page: Open) -> None:
    page = open_page("#/walk?step=3")
    page.get_by_role("button", name="中文").click()
    page.get_by_role("button", name="深色主题").click()
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("english", sorted(STATIC.glob("words/**/en.json")), ids=lambda path: path.parent.name)
def test_every_word_is_there_in_both_languages(english: Path) -> None:
    ours, others = (json.loads(path.read_text()) for path in (english, english.with_name("zh.json")))
    assert ours.keys() == others.keys()


def test_walk_stands_still_where_movement_is_to_be_avoided(open_page: Open) -> None:
    page = open_page("#/walk?from=7/3&to=7/48", reduced_motion="reduce")
    expect(page.locator(".walk-strip canvas")).to_have_count(13)
    expect(page.get_by_role("button", name="Play")).to_be_visible()
