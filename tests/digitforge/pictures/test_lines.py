"""Ruled and squared paper: its lines are taken off, and the digit's strokes are left."""

from collections.abc import Iterable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitforge.pictures.decoded import Found
from digitforge.pictures.lines import without_lines
from digitforge.pictures.normalisation import normalise
from tests.digitforge.pictures.test_normalisation import difference, drawn, picture

EXPECTED = normalise(picture(drawn(), 235, 60)).pixels


def off(found: np.ndarray) -> float:
    """The difference from what it is on plain paper, to a pixel's shift."""
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return min(difference(np.roll(found, shift, (0, 1)), EXPECTED) for shift in shifts)


def ruled(distance: int, squared: bool = False, level: int = 160, thick: int = 2, turn: float = 0) -> Image.Image:
    """Dark ink on light paper with printed lines, the digit upright whatever the lines' turn."""
    sheet = Image.new("L", (900, 860), 235)
    pencil = ImageDraw.Draw(sheet)
    for start in range(7, 900, distance):
        pencil.rectangle((0, start, 900, start + thick - 1), fill=level)
        if squared:
            pencil.rectangle((start, 0, start + thick - 1, 860), fill=level)
    paper = np.asarray(sheet.rotate(turn, Image.Resampling.BICUBIC).crop((300, 300, 600, 560)), np.float64)
    ink = drawn()
    return Image.fromarray((np.minimum(paper, paper + (60 - paper) * ink)).round().astype(np.uint8))


@pytest.mark.parametrize("distance", [25, 50, 90])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("level", [120, 190])
def test_lines_are_taken_off_and_strokes_are_left(distance: int, squared: bool, level: int) -> None:
    found = normalise(ruled(distance, squared, level))
    assert found.found == Found.ONE
    assert off(found.pixels) < 0.25


@pytest.mark.parametrize("turn", [-3, 2])
@pytest.mark.parametrize("squared", [False, True])
def test_lines_of_a_page_held_aslant_are_taken_off(turn: float, squared: bool) -> None:
    assert off(normalise(ruled(60, squared, turn=turn)).pixels) < 0.25


def test_lines_as_dark_as_the_ink_are_taken_off() -> None:
    assert off(normalise(ruled(60, level=60)).pixels) < 0.25


def test_light_lines_on_a_board_are_taken_off() -> None:
    board = Image.fromarray(255 - np.asarray(ruled(60, squared=True)))
    assert off(normalise(board).pixels) < 0.2


def figure(*lines: Iterable[tuple[int, int]], width: int) -> Image.Image:
    image = Image.new("L", (120, 160), 235)
    for line in lines:
        ImageDraw.Draw(image).line(list(line), fill=40, width=width)
    return image


@pytest.mark.parametrize("width", [3, 5, 12])
@pytest.mark.parametrize("digit", ["four", "seven", "one", "plus"])
def test_strokes_of_a_digit_that_fills_its_picture_are_no_lines(digit: str, width: int) -> None:
    lines: dict[str, list[list[tuple[int, int]]]] = {
        "four": [[(30, 0), (0, 90)], [(0, 90), (120, 90)], [(85, 20), (85, 160)]],
        "seven": [[(0, 3), (117, 3)], [(117, 3), (50, 160)]],
        "one": [[(30, 40), (60, 0)], [(60, 0), (60, 160)], [(20, 158), (100, 158)]],
        "plus": [[(0, 80), (120, 80)], [(60, 0), (60, 160)]],
    }
    grey = np.asarray(figure(*lines[digit], width=width), np.float32)
    assert without_lines(grey) is grey


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 20), (48, 48), (256, 256)])
def test_paper_and_noise_have_no_lines(size: tuple[int, int]) -> None:
    chance = np.random.default_rng(0)
    for spread in (0, 3, 30):
        for _ in range(5):
            grey = chance.normal(180, spread, size).clip(0, 255).astype(np.float32)
            assert without_lines(grey) is grey
