"""Links whose values are none: what of them cannot be followed is said, and what is shown instead is whole."""

import re
from urllib.parse import parse_qs, quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open

LARGE = "99999999999999999999"  # beyond the last seed, 2^64 - 1
THREE_CUT_OFF = "C1BLbjeWPKVajH1uh5aRr6"  # strokes of a drawing's link, without their end
# By scene: what it shows when it is whole, and links to it with what is said of them.
SHOWN = {
    "wall": ".wall-row canvas.late",
    "walk": ".walk-strip canvas",
    "draw": ".pad-hint",
    "game": ".game-buttons",
    "school": ".school-run canvas",
}
REFUSED = {
    "wall": {
        f"seed={LARGE}": (f"“{LARGE}”", "Here is seed 7"),
        "seed=1.5&at=90000": ("“1.5”", "Here is seed 7"),
        f"seed={'1' * 50}": (f"“{'1' * 40}…”", "Here is seed 7"),
        "digit=10": ("“10”", "Here are all that it draws"),
        "digit=three": ("“three”", "Here are all that it draws"),
        "at=-5": ("“-5”", "Here is its beginning"),
        f"at={LARGE}": (f"“{LARGE}”", "0 to 999999999999999"),
        "open=third": ("“third”", "Here is its beginning"),
    },
    "walk": {
        f"from={LARGE}/3": (f"“{LARGE}/3”", "Here is 7/3 in its place"),
        "from=7": ("“7”", "Here is 7/3 in its place"),
        "to=7/3/1": ("“7/3/1”", "Here is 7/48 in its place"),
        "to=7/x": ("“7/x”", "Here is 7/48 in its place"),
        "from=7/3&digit_from=12": ("“12”", "Here is the one that has this place"),
        "to=7/48&digit_to=a": ("“a”", "Here is the one that has this place"),
        "step=49": ("“49”", "0 to 48"),
        "step=-1": ("“-1”", "Here is the first"),
        "step=1.5": ("“1.5”", "Here is the first"),
    },
    "draw": {
        "strokes=nothing!": ("cannot be read", "Here is an empty pad"),
        f"strokes={THREE_CUT_OFF}": ("cannot be read", "Here is an empty pad"),
    },
    "game": {
        "game=-1": ("“-1”", "chosen by chance"),
        "game=1000000000": ("“1000000000”", "0 to 999999999"),
        f"game={quote('<b>5</b>')}": ("“<b>5</b>”", "chosen by chance"),
    },
    "school": {
        "chapter=7": ("“7”", "Here is the first"),
        "run=best": ("“best”", "the chapter’s own"),
        "at=73": ("“73”", "0 to 72"),
        "chapter=3&at=x": ("“x”", "a link without one"),
    },
}


def follow(page: Page, state: str) -> None:
    page.evaluate("state => { location.hash = state; }", state)


@pytest.mark.parametrize("scene", REFUSED)
def test_link_that_cannot_be_followed_says_so_and_shows_something_whole(open_page: Open, scene: str) -> None:
    first, *_ = links = REFUSED[scene]
    page = open_page(f"#/{scene}?{first}", reduced_motion="reduce")
    for query in links:
        follow(page, f"#/{scene}?{query}")
        for said in links[query]:
            expect(page.locator("#notice")).to_contain_text(said)
        expect(page.locator("#notice")).to_be_in_viewport()
        expect(page.locator(SHOWN[scene]).first).to_be_visible()
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_link_to_a_scene_that_there_is_not_says_so_and_shows_the_wall(open_page: Open) -> None:
    page = open_page("#/wal?seed=x")
    expect(page.locator("#notice")).to_contain_text("“wal”, and there is no such scene")
    expect(page.locator("#wall h1")).to_be_visible()


@pytest.mark.parametrize(
    "state",
    [
        "#/wall?seed=18446744073709551615&digit=9&at=999999999999900",
        "#/walk?from=18446744073709551615/0&digit_from=0&to=7/999999999999999&digit_to=9&step=48",
        "#/draw?strokes=A3AeeHp42Q",
        "#/game?game=999999999",
        "#/school?chapter=6&run=balanced&at=72",
    ],
)
def test_link_to_the_last_of_everything_is_followed_without_a_word(open_page: Open, state: str) -> None:
    page = open_page(state, reduced_motion="reduce")
    page.wait_for_timeout(600)  # by when each scene has written where it is
    expect(page.locator("#notice")).to_be_empty()
    assert parse_qs(page.url.partition("?")[2]) == parse_qs(state.partition("?")[2])


def test_seed_with_zeros_before_it_is_the_seed_without_them(open_page: Open) -> None:
    page = open_page("#/wall?seed=007")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("7")
    expect(page.locator(SHOWN["wall"]).first).to_be_visible()
    expect(page.locator("#notice")).to_be_empty()


def test_link_that_is_followed_from_within_a_scene_is_told_too_until_another_is(open_page: Open) -> None:
    page = open_page("#/walk?from=7/3&to=7/48&step=0")
    follow(page, "#/walk?from=7/x&to=7/50&step=0")
    expect(page.locator("#notice")).to_contain_text("Here is 7/3 in its place")
    follow(page, "#/walk?from=7/4&to=7/50&step=0")
    expect(page.locator("#notice")).to_be_empty()


@pytest.mark.parametrize(
    ("state", "choose"),
    [
        ("#/wall?seed=x", lambda page: page.get_by_role("button", name="Another seed").click()),
        ("#/walk?from=x&step=0", lambda page: page.get_by_role("button", name="Another").first.click()),
        ("#/draw?strokes=x", lambda page: page.locator(".pad").click()),
        ("#/school?chapter=x", lambda page: page.get_by_role("button", name="Next scene").click()),
        ("#/game?game=x", lambda page: page.get_by_role("link", name="Walk", exact=True).click()),
    ],
    ids=["wall", "walk", "draw", "school", "another scene"],
)
def test_what_is_said_of_a_link_goes_with_the_next_choice(open_page: Open, state: str, choose: object) -> None:
    page = open_page(state, reduced_motion="reduce")
    expect(page.locator("#notice")).to_contain_text(re.compile("x|cannot be read"))
    choose(page)  # type: ignore[operator]
    expect(page.locator("#notice")).to_be_empty()


def test_refusal_is_told_in_chinese(open_page: Open) -> None:
    page = open_page("#/walk?from=x", locale="zh-CN")
    expect(page.locator("#notice")).to_contain_text("漫步的端点“x”无效")
