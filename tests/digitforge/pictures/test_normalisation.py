"""Pictures of any size and kind, to MNIST's form."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitforge.pictures.decoded import Found
from digitforge.pictures.images import decode_file
from digitforge.pictures.ink import ink_map
from digitforge.pictures.normalisation import normalise, stroke_width
from tests.picture_files import file_of
from training.data import DataSet


def drawn(
    size: tuple[int, int] = (300, 260), corner: tuple[int, int] = (120, 60), long_side: int = 120, pen: int = 16
) -> np.ndarray:
    """A seven, float64[height, width]: 1 in the ink, twice as high as it is wide, `long_side` high."""
    image = Image.new("L", (size[0] * 4, size[1] * 4))
    pencil = ImageDraw.Draw(image)
    left, top, right, bottom = 0, 0, long_side // 2, long_side
    half = pen / 2
    points = [(left + half, top + half), (right - half, top + half), (left + half, bottom - half)]
    scaled = [((x + corner[0]) * 4, (y + corner[1]) * 4) for x, y in points]
    pencil.line(scaled, fill=255, width=pen * 4)
    for x, y in scaled:
        pencil.ellipse((x - half * 4, y - half * 4, x + half * 4, y + half * 4), fill=255)
    return np.asarray(image.reduce(4), np.float64) / 255


def picture(ink: np.ndarray, paper: float = 255, pen: float = 0) -> Image.Image:
    return Image.fromarray((paper + (pen - paper) * ink).clip(0, 255).round().astype(np.uint8))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The mean difference, as a share of the mean ink."""
    return float(np.abs(one.astype(float) - other.astype(float)).mean() / other.mean())


def box_of(image: np.ndarray) -> tuple[int, int]:
    """Height and width of the ink."""
    return tuple(int(np.ptp(np.flatnonzero((image > 25).any(axis=axis)))) + 1 for axis in (1, 0))  # type: ignore[return-value]


def centre_of(image: np.ndarray) -> np.ndarray:
    places = np.arange(28)
    return np.array([image.sum(axis=1) @ places, image.sum(axis=0) @ places]) / image.sum()


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return normalise(picture(drawn())).pixels


def test_digit_fills_the_box_of_20_with_its_centre_of_mass_in_the_middle(expected: np.ndarray) -> None:
    assert expected.dtype == np.uint8
    assert expected.shape == (28, 28)
    assert box_of(expected)[0] in (19, 20)
    assert (np.abs(centre_of(expected) - 14) <= 0.5).all()
    assert expected.max() == 255


@pytest.mark.parametrize(("wide", "high"), [(40, 160), (160, 40), (100, 100), (150, 100)])
def test_aspect_ratio_is_kept(wide: int, high: int) -> None:
    image = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(image).ellipse((70, 80, 70 + wide, 80 + high), outline=0, width=14)
    height, width = box_of(normalise(image).pixels)
    assert max(height, width) in (19, 20)
    assert abs(width - 20 * wide / max(wide, high)) <= 1
    assert abs(height - 20 * high / max(wide, high)) <= 1


@pytest.mark.parametrize(("paper", "pen"), [(255, 0), (0, 255), (200, 90), (60, 190), (140, 70)])
def test_ink_is_found_dark_or_light(paper: float, pen: float, expected: np.ndarray) -> None:
    assert difference(normalise(picture(drawn(), paper, pen)).pixels, expected) < 0.08


def test_place_in_the_picture_does_not_matter(expected: np.ndarray) -> None:
    for corner in [(10, 10), (200, 120), (33, 77), (121, 61)]:
        assert difference(normalise(picture(drawn(corner=corner))).pixels, expected) < 0.1


@pytest.mark.parametrize("times", [0.5, 2, 5, 9])
def test_size_of_the_picture_does_not_matter(times: float, expected: np.ndarray) -> None:
    size, corner, long_side, pen = (300, 260), (120, 60), 120, 16
    scaled = drawn(
        (round(size[0] * times), round(size[1] * times)), (round(corner[0] * times), round(corner[1] * times)),
        round(long_side * times), round(pen * times),
    )  # fmt: skip
    assert difference(normalise(picture(scaled)).pixels, expected) < 0.12


def test_light_from_one_side_noise_and_jpeg_do_not_matter(expected: np.ndarray) -> None:
    chance = np.random.default_rng(0)
    light = np.linspace(1, 0.4, 300)[np.newaxis]
    pixels = (240 - 190 * drawn()) * light + chance.normal(0, 5, (260, 300))
    found = decode_file(file_of(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), "JPEG", quality=60))
    assert difference(found.pixels, expected) < 0.15
    assert (found.pixels == 0).mean() > 0.7  # and the paper is black, not dark grey


def test_ink_is_as_strong_in_the_shade_as_in_the_light() -> None:
    ink = np.zeros((200, 300))
    ink[40:160, 30:270:24] = ink[40:160, 31:270:24] = ink[40:160, 32:270:24] = 1
    light = np.linspace(1, 0.15, 300)[np.newaxis]
    found, _ = ink_map(((240 - 120 * ink) * light).astype(np.float32))
    assert found[ink == 1].min() > 0.85
    assert found[ink == 0].max() < 0.2


def test_specks_and_a_dark_edge_do_not_move_the_digit(expected: np.ndarray) -> None:
    ink = drawn()
    for row, column in [(10, 15), (240, 30), (20, 270), (230, 280), (130, 40), (200, 110), (100, 205)]:
        ink[row : row + 4, column : column + 4] = 1
    ink[:, :9] = 1
    ink[-6:] = 1
    assert difference(normalise(picture(ink)).pixels, expected) < 0.1


def test_thin_strokes_become_as_thick_as_mnist_has_them() -> None:
    found = normalise(picture(drawn(pen=4))).pixels
    assert found.max() == 255
    assert 1.8 <= stroke_width((found / 255).astype(np.float32)) <= 2.6
    assert box_of(found)[0] in (19, 20)


def test_stroke_width_of_a_bar_is_its_width() -> None:
    ink = np.zeros((100, 100), np.float32)
    ink[5:95, 40:46] = 1
    assert stroke_width(ink) == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize("pen", [0, 255])
def test_ink_on_nothing_is_seen_whatever_its_colour(pen: int, expected: np.ndarray) -> None:
    colour = Image.new("L", (300, 260), pen)
    image = Image.merge("LA", (colour, Image.fromarray((drawn() * 255).astype(np.uint8))))
    assert difference(decode_file(file_of(image)).pixels, expected) < 0.08


def test_hole_in_opaque_paper_is_no_ink(expected: np.ndarray) -> None:
    mask = Image.new("L", (300, 260), 255)
    ImageDraw.Draw(mask).ellipse((190, 100, 230, 140), fill=0)
    image = Image.merge("LA", (picture(drawn()), mask))
    assert difference(decode_file(file_of(image)).pixels, expected) < 0.08


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "L", "LA"])
def test_every_mode_is_read(mode: str, expected: np.ndarray) -> None:
    assert difference(decode_file(file_of(picture(drawn()).convert(mode))).pixels, expected) < 0.1


def test_sixteen_bits_are_scaled(expected: np.ndarray) -> None:
    wide = np.asarray(picture(drawn(), paper=200, pen=90), np.uint16) * 257
    assert difference(decode_file(file_of(Image.fromarray(wide))).pixels, expected) < 0.08


@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_that_was_turned_is_turned_back(orientation: int, expected: np.ndarray) -> None:
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what Pillow calls the inverse transposition
    image = picture(drawn())
    if orientation in undone:
        image = image.transpose(Image.Transpose(undone[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode_file(file_of(image, "JPEG", quality=95, exif=exif))
    assert difference(found.pixels, expected) < 0.1


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("note", [b"II*\0\xff\xff\xff\x7f", b"no TIFF", b"MM\0*"])
def test_damaged_note_of_the_camera_is_none(note: bytes, expected: np.ndarray) -> None:
    for image_format in ("JPEG", "PNG"):
        data = file_of(picture(drawn()), image_format, exif=b"Exif\0\0" + note)
        assert difference(decode_file(data).pixels, expected) < 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (5000, 20), (2, 2), (27, 28), (640, 480)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_picture_without_ink_is_black(size: tuple[int, int], level: int) -> None:
    assert not normalise(Image.new("L", size, level)).pixels.any()


def test_noise_alone_is_no_ink() -> None:
    noise = np.random.default_rng(0).normal(200, 6, (300, 300)).astype(np.uint8)
    assert not normalise(Image.fromarray(noise)).pixels.any()


def test_digit_in_a_picture_of_5000x20_is_found() -> None:
    ink = np.zeros((20, 5000))
    ink[1:19, 3000:3012] = drawn((12, 18), (1, 1), 16, 3)
    found = normalise(picture(ink)).pixels
    assert box_of(found)[0] in (18, 19, 20)
    assert found.max() == 255


def test_pixels_of_any_picture_whatever_are_no_error() -> None:
    chance = np.random.default_rng(0)
    for _ in range(100):
        size = tuple(chance.integers(1, 60, 2))
        levels = chance.choice([0, 1, 127, 128, 254, 255], int(chance.integers(1, 6)))
        found = normalise(Image.fromarray(chance.choice(levels, size).astype(np.uint8))).pixels
        assert found.dtype == np.uint8
        assert found.shape == (28, 28)


@pytest.mark.parametrize("breadth", [1, 2, 5, 10, 18, 28, 40])
@pytest.mark.parametrize("is_upright", [True, False])
def test_straight_stroke_is_one_thing_in_the_middle(breadth: int, is_upright: bool) -> None:
    grey = np.full((280, 280), 255, np.uint8)
    grey[50:210, 100 : 100 + breadth] = 0
    decoded = normalise(Image.fromarray(grey if is_upright else grey.T))
    assert decoded.found is Found.ONE
    assert np.abs(centre_of(decoded.pixels) - 14).max() <= 0.5
    high, wide = box_of(decoded.pixels)
    assert max(high, wide) == 20
    assert (high == 20) == is_upright


def test_mnist_digit_enlarged_ten_times_comes_back_as_it_was(mnist: DataSet) -> None:
    """To a pixel's shift (its centre of mass was rounded once before), and but for thin strokes, which are widened."""
    images = [
        image for image in mnist.test.images[:200].numpy() if stroke_width((image / 255).astype(np.float32)) > 1.8
    ]
    off = []
    for image in images:
        found = normalise(Image.fromarray(image).resize((280, 280), Image.Resampling.BICUBIC)).pixels
        shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        off.append(min(difference(np.roll(found, shift, (0, 1)), image) for shift in shifts))
    assert np.median(off) < 0.15
    assert max(off) < 0.4


@pytest.mark.parametrize("side", [27, 28, 29, 40])
def test_strokes_of_a_picture_of_few_pixels_are_as_sharp_as_of_many(side: int) -> None:
    whole = picture(drawn(corner=(60, 20), long_side=200, pen=24))
    expected = normalise(whole.resize((260, 260), Image.Resampling.BOX)).pixels
    found = normalise(whole.resize((side, side), Image.Resampling.BOX)).pixels
    assert difference(found, expected) < 0.25
    assert ((found > 30) & (found < 225)).sum() < 1.27 * ((expected > 30) & (expected < 225)).sum()
