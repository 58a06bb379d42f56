"""Thinning, distance fields, and what is drawn along them."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from skimage.morphology import skeletonize
from torch import Tensor
from torch.nn import functional as F

from evaluation.pen import BOX, UNIT, Hand, centred, distance_fields, drawn, fields_of_images, scribbles, thinned

STEADY = Hand(pen=(2.0, 2.0), turn=0, stretch=0, shear=0, wobble=0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def strokes(side: int = 64) -> Tensor:
    """A cross, a ring and a seven in thick strokes, bool[3, side, side]."""
    images = []
    for number in range(3):
        image = Image.new("1", (side, side))
        pencil = ImageDraw.Draw(image)
        if number == 0:
            pencil.line((14, 32, 50, 32), fill=1, width=7)
            pencil.line((32, 14, 32, 50), fill=1, width=7)
        elif number == 1:
            pencil.ellipse((14, 18, 50, 46), outline=1, width=6)
        else:
            pencil.line((16, 16, 46, 16, 26, 50), fill=1, width=6)
        images.append(torch.from_numpy(np.array(image.convert("L")) > 0))
    return torch.stack(images)


def test_thinning_is_much_that_of_scikit_image() -> None:
    """Whose table keeps and takes some pixels otherwise: the ends of strokes are longer."""
    ink = strokes()
    found = thinned(ink)
    for one, whole in zip(found, ink, strict=True):
        other = torch.from_numpy(skeletonize(whole.numpy()))
        assert not (one & ~whole).any()
        assert not (one & (F.max_pool2d(other[None].float(), 3, stride=1, padding=1)[0] == 0)).any()
        assert int(one.sum()) == pytest.approx(int(other.sum()), rel=0.2)
    assert torch.equal(found[1:2], thinned(ink[1:2]))  # whatever lies beside it
    assert not thinned(torch.zeros(2, 9, 9, dtype=torch.bool)).any()


def test_a_field_is_the_distance_to_the_path() -> None:
    ink = torch.zeros(1, 64, 64, dtype=torch.bool)
    ink[0, 20, 30] = True
    field = distance_fields(ink)[0].double() / UNIT
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    true = ((y - 20.0) ** 2 + (x - 30.0) ** 2).sqrt()
    near = true < 15
    assert (field - true)[near].abs().max() <= 1 / UNIT
    assert (field[~near] >= 14.9).all()


@pytest.mark.parametrize("width", [1.5, 3.0])
def test_a_steady_hand_draws_the_path_in_mnists_form_with_the_pens_width(width: float) -> None:
    hand = Hand(pen=(width, width), turn=0, stretch=0, shear=0, wobble=0)
    images = drawn(distance_fields(strokes()), rng(), hand)
    ink = images.double() / 255
    for image in ink:
        rows, columns = torch.where(image.amax(1) > 0.3)[0], torch.where(image.amax(0) > 0.3)[0]
        longer = max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0])) + 1
        assert longer == pytest.approx(BOX, abs=1)
        for axis in (0, 1):
            assert float(image.sum(axis) @ torch.arange(28.0, dtype=torch.float64) / image.sum()) == pytest.approx(
                13.5, abs=0.75
            )
    assert float(ink[0, :, 8].sum()) == pytest.approx(width, abs=0.4)  # the cross's bar, left of its middle


def test_another_hand_draws_otherwise_and_the_same_hand_the_same() -> None:
    fields = distance_fields(strokes()).repeat(10, 1, 1)
    images = drawn(fields, rng(1))
    assert torch.equal(images, drawn(fields, rng(1)))
    assert not torch.equal(images, drawn(fields, rng(2)))
    assert not torch.equal(images[0], images[3])
    assert drawn(fields[:0], rng()).shape == (0, 28, 28)


def test_the_paths_of_digits_are_drawn_as_these_digits() -> None:
    images = drawn(distance_fields(strokes()), rng(), STEADY)
    again = drawn(fields_of_images(images), rng(), STEADY)
    difference = (again.double() - images.double()).abs().mean() / images.double().mean()
    assert difference < 0.35


def test_centred_moves_the_centre_of_mass_to_the_middle_by_whole_pixels() -> None:
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[0, 10:14, 16:20] = 200
    expected = torch.zeros_like(image)
    expected[0, 12:16, 12:16] = 200
    assert torch.equal(centred(image), expected)


def test_scribbles_differ_and_stay_within_the_field() -> None:
    paths = scribbles(50, rng())
    assert paths.shape == (50, 64, 64)
    assert (paths.flatten(1).sum(1) > 40).all()
    assert not paths[:, :11].any()
    assert len({path.numpy().tobytes() for path in paths}) == 50
