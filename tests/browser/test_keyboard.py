"""Everything by keyboard alone."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Open


def test_skip_link_leads_past_the_navigation(open_page: Open) -> None:
    page = open_page("#/wall?seed=7")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#wall') !== null")
    assert "#/wall?seed=7" in page.url


def test_wall_is_walked_by_arrows_and_the_focus_comes_back_from_the_large_view(open_page: Open) -> None:
    page = open_page("#/wall?seed=7")
    page.locator('.wall-row a[tabindex="0"]').focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"open=\d+"))
    shown = int(page.url.split("open=")[1])
    expect(page.get_by_role("dialog", name=f"Number {shown} of seed 7")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(f'.wall-row a[data-index="{shown}"]')).to_be_focused()


def test_digit_is_drawn_by_arrows_and_space(open_page: Open) -> None:
    page = open_page("#/draw")
    page.locator(".pad").focus()
    page.keyboard.press("Space")
    for _ in range(25):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator(".draw-verdict")).to_contain_text("1")
    expect(page).to_have_url(re.compile("strokes="))


def test_whole_game_is_played_by_arrows_and_its_score_can_be_shared(open_page: Open) -> None:
    page = open_page("#/game?game=5", permissions=["clipboard-read", "clipboard-write"])
    for number in range(20):
        expect(page.get_by_role("img", name=f"Picture {number + 1} of 20")).to_be_visible()
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("button", name="Next")).to_be_focused()
        page.keyboard.press("ArrowRight")
    expect(page.locator(".game-score")).to_contain_text("You had 10 of 20 right")
    expect(page.locator(".game-legend")).to_contain_text("You were wrong.")
    page.get_by_role("button", name="Copy the score").press("Enter")
    shared = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(
        r"Hand or machine\? Me 10/20, the detector \d+/20\n([🟦🟥]{10}\n){2}http\S+#/game\?game=5", shared
    )


def test_scene_that_is_chosen_takes_the_focus(open_page: Open) -> None:
    page = open_page("#/wall")
    page.get_by_role("link", name="Walk", exact=True).press("Enter")
    expect(page.locator("#walk h1")).to_be_focused()
    assert page.title() == "Walk · digitforge"
