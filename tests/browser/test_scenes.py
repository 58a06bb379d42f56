"""What each scene of the page does, by mouse."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from digitforge import Client
from tests.browser.conftest import Open

# A three, as a hand draws it; 0 to 255 across the pad and down.
THREE = [
    (80, 75),
    (110, 55),
    (150, 60),
    (165, 90),
    (140, 125),
    (110, 135),
    (150, 145),
    (175, 175),
    (160, 220),
    (75, 215),
]


def draw(page: Page, points: list[tuple[int, int]]) -> None:
    box = page.locator(".pad").bounding_box()
    assert box is not None
    places = [(box["x"] + x / 255 * box["width"], box["y"] + y / 255 * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def drawn_pixels(page: Page, canvas: str) -> np.ndarray:
    """The opacity of a canvas of 28x28: the grey levels that were painted."""
    levels = page.locator(canvas).evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data).filter((_, i) => i % 4 === 3)"
    )
    return np.array(levels, np.uint8).reshape(28, 28)


def test_wall_shows_the_very_pixels_that_generate_gives(open_page: Open, address: str) -> None:
    page = open_page("#/wall?seed=11&open=203")
    expect(page.locator(".view .squared canvas")).to_be_visible()
    with Client(address) as client:
        expected = client.generate(1, seed=11, offset=203).images[0]
    assert np.array_equal(drawn_pixels(page, ".view .squared canvas"), expected)


def test_digit_that_is_clicked_is_shown_large_with_its_address_and_score(open_page: Open) -> None:
    page = open_page("#/wall?seed=7")
    page.get_by_role("link", name="3, number 13", exact=True).click()
    expect(page.get_by_role("dialog", name="Number 13 of seed 7")).to_be_visible()
    expect(page.locator(".view .verdict")).to_have_text("A machine made this 3.")
    shown = page.get_by_label("Its address, for ever").input_value()
    assert re.search(r"/v1/models/[0-9a-f]{64}/digits/7/13\.png$", shown)
    picture = Image.open(io.BytesIO(page.request.get(shown).body()))
    assert np.array_equal(np.asarray(picture), drawn_pixels(page, ".view .squared canvas"))


def test_wall_goes_on_as_it_is_scrolled_and_keeps_few_rows(open_page: Open) -> None:
    page = open_page("#/wall?seed=7")
    expect(page.locator(".wall-row").first).to_be_visible()
    page.evaluate("scrollTo(0, 200000)")
    expect(page).to_have_url(re.compile(r"at=\d{5,}"))
    shown = page.locator(".wall-row a").evaluate_all("links => links.map((link) => Number(link.dataset.index))")
    assert min(shown) > 10_000
    assert len(shown) < 400


def test_back_leads_to_the_place_on_the_wall_that_was_left(open_page: Open) -> None:
    page = open_page("#/wall?seed=7")
    expect(page.locator(".wall-row").first).to_be_visible()
    page.evaluate("scrollTo(0, 30000)")
    expect(page).to_have_url(re.compile(r"at=\d{4,}"))
    left = page.url
    page.get_by_role("link", name="Walk", exact=True).click()
    expect(page.locator(".walk-strip canvas")).to_have_count(13)
    page.go_back()
    expect(page.locator("#wall .wall-row").first).to_be_visible()
    page.wait_for_timeout(600)  # by when the wall has written where it is
    assert page.url == left
    assert abs(page.evaluate("scrollY") - 30_000) < 100


@pytest.mark.parametrize("seed", ["18446744073709551616", "99999999999999999999999", "-1", "1.5", ""])
def test_seed_that_is_none_is_refused_with_the_limit(open_page: Open, seed: str) -> None:
    page = open_page("#/wall?seed=8")
    field = page.get_by_label("Seed", exact=True)
    field.fill(seed)
    field.press("Enter")
    limit = "A seed is a whole number from 0 to 18446744073709551615."
    assert field.evaluate("field => field.validationMessage") == limit
    expect(page).to_have_url(re.compile("seed=8$"))


def test_last_seed_is_shown(open_page: Open) -> None:
    page = open_page("#/wall?seed=8")
    page.get_by_label("Seed", exact=True).fill("18446744073709551615")
    page.get_by_label("Seed", exact=True).press("Enter")
    expect(page).to_have_url(re.compile("seed=18446744073709551615"))
    expect(page.locator(".wall-row canvas.late").first).to_be_visible()


def test_wall_by_class_shows_that_class_alone(open_page: Open) -> None:
    page = open_page("#/wall?seed=7")
    page.get_by_role("radio", name="4", exact=True).check()
    expect(page).to_have_url(re.compile("digit=4"))
    names = page.locator(".wall-row a").evaluate_all("links => links.map((link) => link.ariaLabel.split(',')[0])")
    assert set(names) == {"4"}


def test_large_view_goes_through_the_stream_and_back_closes_it(open_page: Open) -> None:
    page = open_page("#/wall?seed=7")
    page.get_by_role("link", name="3, number 13", exact=True).click()
    page.get_by_role("link", name="4, number 14", exact=True).last.click()
    expect(page.get_by_role("dialog", name="Number 14 of seed 7")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_walk_ends_at_the_two_digits_that_were_chosen(open_page: Open, address: str) -> None:
    page = open_page("#/walk?from=7/3&to=7/48&step=48")
    with Client(address) as client:
        expected = client.generate(1, seed=7, offset=48).images[0]
    expect(page.locator(".walk-strip canvas")).to_have_count(13)
    assert np.array_equal(drawn_pixels(page, ".walk-middle canvas"), expected)


def test_walk_is_saved_as_a_film(open_page: Open) -> None:
    page = open_page("#/walk?from=7/3&to=7/48&step=0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as GIF").click()
    film = Image.open(download.value.path())
    assert download.value.suggested_filename == "walk-3-8.gif"
    assert getattr(film, "n_frames", 1) == 62  # 32 there and 30 back


def test_walk_plays_and_pauses(open_page: Open) -> None:
    page = open_page("#/walk?from=7/3&to=7/48&step=0")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("slider")).to_have_value(re.compile(r"^([6-9]|\d\d)$"))
    page.get_by_role("button", name="Pause").click()
    expect(page).to_have_url(re.compile(r"step=\d+"))


def test_drawing_is_scored_with_a_map_and_its_link_brings_it_back(open_page: Open) -> None:
    page = open_page("#/draw")
    draw(page, THREE)
    expect(page.locator(".draw-verdict .verdict")).to_contain_text("this 3.")
    expect(page.locator(".draw-answer .heat")).to_be_visible()
    expect(page).to_have_url(re.compile("strokes="))
    seen = drawn_pixels(page, ".draw-answer canvas.ink")
    assert len(page.url) < 200
    again = open_page(page.url[page.url.index("#") :])
    expect(again.locator(".draw-answer .heat")).to_be_visible()
    assert np.array_equal(drawn_pixels(again, ".draw-answer canvas.ink"), seen)


def test_undo_takes_the_last_stroke_back(open_page: Open) -> None:
    page = open_page("#/draw")
    draw(page, THREE)
    expect(page).to_have_url(re.compile("strokes="))
    with_one = page.url
    draw(page, [(30, 30), (60, 60)])
    expect(page).not_to_have_url(with_one)
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(with_one)
    page.keyboard.press("Control+z")
    expect(page.locator(".draw-verdict")).to_have_text("It waits for your first stroke.")


def test_chosen_photo_is_scored_as_the_server_scores_the_file(open_page: Open, address: str) -> None:
    pixels = np.full((300, 400, 3), 235, np.uint8)
    pixels[60:240, 190:210] = 20
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    page = open_page("#/draw")
    page.locator("#draw-file").set_input_files(
        {"name": "one.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()}
    )
    expect(page.locator(".draw-verdict")).to_contain_text("this 1.")
    with Client(address) as client:
        expected = client.score(buffer.getvalue(), return_image=True).scored_image
    assert expected is not None
    assert np.array_equal(drawn_pixels(page, ".draw-answer canvas.ink"), expected)


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("no.png", "image/png", b"no picture"),
        ("damaged.png", "image/png", b"\x89PNG\r\n\x1a\n and no more"),
        ("notes.txt", "text/plain", b"no picture"),
    ],
)
def test_file_that_is_no_picture_is_told_in_words(open_page: Open, name: str, kind: str, content: bytes) -> None:
    page = open_page("#/draw")
    page.locator("#draw-file").set_input_files({"name": name, "mimeType": kind, "buffer": content})
    expect(page.locator(".draw-verdict .note")).to_contain_text("This file cannot be opened as a picture.")
    expect(page.locator(".pad-photo")).to_be_hidden()


def test_only_a_drawing_has_a_link(open_page: Open) -> None:
    page = open_page("#/draw")
    copy = page.get_by_role("button", name="Copy its link")
    expect(copy).to_be_disabled()
    draw(page, THREE)
    expect(copy).to_be_enabled()
    buffer = io.BytesIO()
    Image.new("L", (40, 40)).save(buffer, "PNG")
    page.locator("#draw-file").set_input_files(
        {"name": "dark.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    )
    expect(page.get_by_text("A photo is not kept, and so it has no link.")).to_be_visible()
    expect(page.locator(".pad-photo")).to_be_visible()
    expect(copy).to_be_disabled()
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("A photo is not kept, and so it has no link.")).to_be_hidden()


def test_colours_of_the_map_are_explained_while_it_is_shown(open_page: Open) -> None:
    page = open_page("#/draw")
    draw(page, THREE)
    legend, shown = page.locator(".heat-legend"), page.get_by_role("checkbox", name="Show what gave it away")
    expect(legend).to_be_visible()
    shown.uncheck()
    expect(legend).to_be_hidden()
    shown.check()
    expect(legend).to_be_visible()


def test_which_digit_it_is_is_not_said_of_what_is_not_one(open_page: Open) -> None:
    page = open_page("#/draw")
    asked = """verdict => import("/static/scripts/verdict.js").then(({ bars }) => bars(
        { verdict, class_name: "4", digit_probability: 0.987, one_digit_probability: 0.2, real_probability: 0.5 },
        { threshold: 0.04, one_digit_threshold: 0.3 },
    ).textContent)"""
    assert "Is it a 4?" in page.evaluate(asked, "generated")
    assert "Is it a 4?" not in page.evaluate(asked, "not_one_digit")


def test_training_that_is_not_allowed_is_explained(open_page: Open) -> None:
    page = open_page("#/train")
    expect(page.get_by_text("make demo DEMO_ARGS=--allow-training")).to_be_visible()
    expect(page.get_by_text("digitforge-page --with-server --allow-training")).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_have_count(0)


def test_answer_of_the_detector_comes_with_its_threshold(open_page: Open) -> None:
    page = open_page("#/game?game=5")
    page.get_by_role("button", name="A machine").click()
    expect(page.locator(".game-said")).to_contain_text(re.compile(r"[\d.]+%.*from [\d.]+% on it says"))


def test_same_game_deals_the_same_pictures_half_of_them_real(open_page: Open) -> None:
    page = open_page("#/game?game=5")
    deal = "import('/static/scripts/game/rounds.js').then((game) => game.deal(%d))"
    five = page.evaluate(deal % 5)
    assert five == page.evaluate(deal % 5)
    assert five != page.evaluate(deal % 6)
    assert [sum(r["real"] == real for r in five) for real in (True, False)] == [10, 10]
