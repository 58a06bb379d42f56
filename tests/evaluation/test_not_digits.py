"""Pictures of no digit."""

import pytest
import torch
from matplotlib.ft2font import FT2Font
from torch import Tensor

from evaluation import not_digits
from evaluation.not_digits import FONTS, GREEK, LETTERS, SIGNS, TEST_FONTS, TRAINING_FONTS


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def bars() -> Tensor:
    """Upright bars in MNIST's form."""
    images = torch.zeros(9, 28, 28, dtype=torch.uint8)
    images[:, 4:24, 13:15] = 255
    return images


def test_there_is_a_path_for_each_character_that_a_font_has() -> None:
    paths = not_digits.glyph_paths("Aπ", ("DejaVuSans", "cmr10"))
    assert not FT2Font(str(FONTS / "cmr10.ttf")).get_char_index(ord("π"))
    assert paths.shape == (3, 64, 64)
    on_path = (paths == 0).flatten(1).sum(1)
    assert ((on_path > 40) & (on_path < 400)).all()


def test_what_looks_like_a_digit_is_no_letter() -> None:
    assert not set("οισςΟΙ") & set(GREEK)
    assert not set("0123456789OIl|/!") & set(LETTERS + GREEK + SIGNS)
    assert not set(TRAINING_FONTS) & set(TEST_FONTS)


def test_several_are_so_many_side_by_side_in_the_box(bars: Tensor) -> None:
    images = not_digits.several(bars, 400, rng())
    assert images.shape == (400, 28, 28)
    ink = images > 80
    middle = ink[:, 12:16].any(dim=1)
    runs = (middle[:, 1:] & ~middle[:, :-1]).sum(dim=1) + middle[:, 0]
    assert set(runs.tolist()) >= {2, 3, 4, 5}
    assert (runs >= 2).double().mean() > 0.6  # of the others two rows leave the middle free
    columns = ink.any(dim=1).double()
    wide = 28 - columns.flip(1).argmax(dim=1) - columns.argmax(dim=1)
    assert float(wide.double().mean()) < 22
    assert (images.flatten(1).amax(1) == 255).all()
    assert len(not_digits.several(bars, 0, rng())) == 0


def test_a_page_holds_its_parts_at_their_own_size(bars: Tensor) -> None:
    pages = not_digits.page(bars, 60, 3, rng())
    assert pages.shape[2] > 28 + 2 * 12
    assert set(pages.unique().tolist()) == {0, 255}
    parts = pages.sum(dim=(1, 2)).double() / bars[0].sum()
    two = parts > 4
    assert 0.1 < two.double().mean() < 0.4
    assert (parts[~two] == 3).all()


@pytest.mark.parametrize("make", [not_digits.silhouettes, not_digits.strips])
def test_things_are_filled_and_differ(make) -> None:  # type: ignore[no-untyped-def]
    images = make(60, rng())
    assert images.shape == (60, 28, 28)
    assert images.dtype == torch.uint8
    assert torch.equal(images, make(60, rng()))
    assert len({image.numpy().tobytes() for image in images}) > 55
    assert (images > 40).double().mean() > 0.1


def test_zigzags_have_as_many_lines_as_make_no_digit() -> None:
    paths = not_digits.zigzags(40, rng())
    assert (paths.flatten(1).sum(1) > 60).all()
    assert not paths[:, :11].any()
