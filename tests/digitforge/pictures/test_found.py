"""What a picture is said to show: nothing, one thing, or several."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitforge.pictures.decoded import Found
from digitforge.pictures.normalisation import normalise

SIDE = 400


def page(*lines: list[tuple[int, int]], width: int = 20) -> Image.Image:
    """Lines drawn in dark on light."""
    image = Image.new("L", (SIDE, SIDE), 225)
    pencil = ImageDraw.Draw(image)
    for line in lines:
        pencil.line(line, fill=40, width=width, joint="curve")
    return image


SEVEN = [(140, 100), (220, 100), (160, 280)]
FIVE_BELOW = [(150, 120), (150, 180), (210, 190), (220, 250), (150, 290)]
FIVE_BAR = [(160, 95), (230, 95)]
ZERO = [(180, 90), (140, 130), (130, 200), (150, 270), (180, 290), (215, 260), (225, 190), (210, 120), (180, 90)]
NINE = [(215, 150), (180, 180), (145, 150), (150, 110), (190, 95), (215, 120), (215, 180), (205, 290)]


def moved(line: list[tuple[int, int]], right: int, down: int = 0) -> list[tuple[int, int]]:
    return [(x + right, y + down) for x, y in line]


def test_digit_is_one() -> None:
    assert normalise(page(SEVEN)).found == Found.ONE


def test_digit_with_a_loose_bar_is_one() -> None:
    found = normalise(page(FIVE_BELOW, FIVE_BAR))
    assert found.found == Found.ONE
    assert np.array_equal(found.pixels.any(axis=1), normalise(page(FIVE_BELOW, FIVE_BAR)).pixels.any(axis=1))


def test_digit_in_two_halves_is_one() -> None:
    assert normalise(page([(180, 80), (180, 180)], [(180, 210), (180, 310)])).found == Found.ONE
    assert normalise(page([(150, 100), (150, 200), (190, 200)], [(215, 130), (215, 300)])).found == Found.ONE  # a four


def test_line_of_one_pixel_is_one() -> None:
    image = Image.new("L", (110, 150))
    pencil = ImageDraw.Draw(image)
    pencil.line([(20, 20), (85, 22), (50, 130)], fill=255)
    pencil.line([(40, 75), (90, 70)], fill=255)
    assert normalise(image).found == Found.ONE


@pytest.mark.parametrize("right", [-120, 110, 160])
def test_digits_beside_each_other_are_several(right: int) -> None:
    assert normalise(page(SEVEN, moved(SEVEN, right))).found == Found.SEVERAL


def test_digits_below_each_other_are_several() -> None:
    small = [(x, y // 2) for x, y in SEVEN]
    assert normalise(page(small, moved(small, 0, 190), width=12)).found == Found.SEVERAL


def test_specks_are_none_of_several() -> None:
    specks = [[(x, y), (x + 4, y)] for x, y in ((40, 50), (330, 60), (350, 350), (60, 330), (200, 370))]
    image = page(SEVEN)
    for (x, y), _ in specks:
        ImageDraw.Draw(image).ellipse((x, y, x + 5, y + 5), fill=40)
    assert normalise(image).found == Found.ONE


def test_blank_and_noise_are_nothing() -> None:
    noise = np.random.default_rng(0).normal(200, 6, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    for image in (Image.new("L", (SIDE, SIDE), 200), Image.fromarray(noise), Image.new("L", (28, 28))):
        found = normalise(image)
        assert found.found == Found.NOTHING
        assert not found.pixels.any()


@pytest.mark.parametrize("margin", [0, 3])
def test_digit_that_touches_the_edge_is_taken_whole(margin: int) -> None:
    image = page(SEVEN)
    box = image.point(lambda level: 255 * (level < 130)).getbbox()
    assert box is not None
    left, top, right, bottom = box
    tight = image.crop((left - margin, top - margin, right + margin, bottom + margin))
    expected, found = normalise(image).pixels.astype(float), normalise(tight)
    assert found.found == Found.ONE
    assert np.abs(found.pixels - expected).mean() < 0.1 * expected.mean()


@pytest.mark.parametrize("turn", [0, 4])
@pytest.mark.parametrize("desk", [20, 90])
def test_sheet_on_a_desk_is_not_the_digit(turn: int, desk: int) -> None:
    sheet = page(SEVEN)
    table = Image.new("L", (600, 560), desk)
    mask = Image.new("L", sheet.size, 255).rotate(turn, expand=True)
    table.paste(sheet.rotate(turn, expand=True), (90, 80), mask)
    expected, found = normalise(sheet.rotate(turn, fillcolor=225)).pixels.astype(float), normalise(table)
    assert found.found == Found.ONE
    assert np.abs(found.pixels - expected).mean() < 0.15 * expected.mean()


@pytest.mark.parametrize("place", [(0, 0), (-115, -78), (150, 90)])
def test_digit_at_the_edge_of_a_sheet_on_a_desk_is_taken_from_the_sheet(place: tuple[int, int]) -> None:
    sheet = page(moved(SEVEN, *place))
    table = Image.new("L", (580, 580), 40)
    table.paste(sheet, (90, 90))
    expected, found = normalise(page(SEVEN)).pixels.astype(float), normalise(table)
    assert np.abs(found.pixels - expected).mean() < 0.15 * expected.mean()


def test_narrow_sheet_on_a_desk_is_not_the_digit() -> None:
    sheet = page(SEVEN).crop((110, 60, 250, 320))
    table = Image.new("L", (200, 1000), 40)
    table.paste(Image.new("L", (140, 700), 225), (30, 150))
    table.paste(sheet, (30, 300))
    expected, found = normalise(page(SEVEN)).pixels.astype(float), normalise(table)
    assert np.abs(found.pixels - expected).mean() < 0.15 * expected.mean()


@pytest.mark.parametrize("times", [1, 6])
@pytest.mark.parametrize(("wide", "high"), [(12, 17), (14, 17), (14, 20)])
def test_thick_zero_is_no_sheet(times: int, wide: int, high: int) -> None:
    left, top, right, bottom = (28 - wide) // 2, 5, (28 + wide) // 2, 5 + high
    image = Image.new("L", (28 * times, 28 * times), 255)
    box = (left * times, top * times, right * times, bottom * times)
    ImageDraw.Draw(image).rounded_rectangle(box, 0.45 * wide * times, outline=0, width=4 * times)
    assert not normalise(image).pixels[14, 13:15].any()


@pytest.mark.parametrize("side", [8, 16])
@pytest.mark.parametrize("line", [SEVEN, ZERO, NINE], ids=["seven", "zero", "nine"])
def test_digit_of_a_few_pixels_that_fills_its_picture_is_taken_whole(line: list[tuple[int, int]], side: int) -> None:
    image = page(line, width=24)
    box = image.point(lambda level: 255 * (level < 130)).getbbox()
    assert box is not None
    left, top, right, bottom = box
    middle, half = (left + right) // 2, (bottom - top) // 2
    few = image.crop((middle - half, top, middle + half, bottom)).resize((side, side), Image.Resampling.BOX)
    expected, found = normalise(image).pixels.astype(float), normalise(few)
    assert found.found == Found.ONE
    assert np.abs(found.pixels - expected).mean() < 0.6 * expected.mean()
