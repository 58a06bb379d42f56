"""Photo-like pictures of handwritten digits, drawn anew from the pen strokes of real ones.

There is no well-known set of photographed digits whose labels, licence and size would do. So the geometry is taken
from MNIST (a digit's skeleton, enlarged), and everything that a camera, a scanner or a screen adds is drawn around it:
a round pen of any width, ink and paper of any colour, light from one side, shadows, noise, a slight turn, a place off
the centre, JPEG. What is known of each picture is its label, which is what scoring and recognition are checked against.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from skimage.morphology import skeletonize

from digitforge.pictures.images import decode_file

ENLARGEMENT = 8  # of a digit before its skeleton is taken: the path is then smooth at the scale of a picture
CANVAS = (200, 1000)  # pixels of a picture's side
DIGIT = (0.25, 0.8)  # of the picture's shorter side: the digit's longer side
PEN = (0.03, 0.16)  # of the digit's longer side: the width of its stroke. MNIST's own is about 0.12
TURN = 10.0  # degrees at most
KINDS = ("paper", "paper", "paper", "scan", "screen", "chalk")  # half of all pictures are of paper


@dataclass(frozen=True)
class Picture:
    """A picture file of one digit.

    Attributes:
        data: The file.
        label: The digit, 0 to 9.
        kind: `paper` (a photo), `scan`, `screen` (flat colours) or `chalk` (light on dark).
        pen: The stroke's width, as a share of the digit's longer side.
    """

    data: bytes
    label: int
    kind: str
    pen: float


def pen_strokes(
    images: NDArray[np.uint8], labels: NDArray[np.int64], count: int, seed: int, scene: str = "page"
) -> list[Picture]:
    """Draw the first `count` digits anew.

    Args:
        images: uint8[>= count, 28, 28], white ink on black.
        labels: int64[>= count].
        count: How many.
        seed: Picture i depends on the seed, i and image i alone, in `two` on the next one as well.
        scene: One of `SCENES`, or `two`, the next digit beside it.
    """
    return [
        draw(image, int(label), np.random.default_rng([seed, index]), scene, other)
        for index, (image, label, other) in enumerate(
            zip(images[:count], labels[:count], np.roll(images[:count], -1, axis=0), strict=True)
        )
    ]


def normalised(pictures: Iterable[Picture]) -> NDArray[np.uint8]:
    """The pictures as the server hands them to the detector: uint8[count, 28, 28]."""
    return np.stack([decode_file(picture.data).pixels for picture in pictures])


def draw(
    image: NDArray[np.uint8],
    label: int,
    chance: np.random.Generator,
    scene: str = "page",
    other: NDArray[np.uint8] | None = None,
) -> Picture:
    """One digit uint8[28, 28] as a picture file, in one of `SCENES`, or with another one to its right."""
    kind = str(chance.choice(KINDS))
    width, height = (round(float(np.exp(chance.uniform(*np.log(CANVAS))))) for _ in range(2))
    pen = float(np.exp(chance.uniform(*np.log(PEN))))
    path = strokes(image)
    if scene == "two" and other is not None:
        pen /= 1.5
        path = np.concatenate([path, strokes(other) + np.array([chance.uniform(20, 32), chance.uniform(-3, 3)])])
    ink = ink_coverage(path, (width, height), pen, chance)
    colours = np.array(COLOURS[kind](chance), np.float32)  # the background's and the ink's
    background, foreground = colours[0], colours[1]
    pixels = background + (foreground - background) * ink[..., np.newaxis]
    if kind == "paper":
        pixels *= light(width, height, chance)[..., np.newaxis]
    pixels, ink = SCENES.get(scene, _page)(pixels, ink, chance)
    if kind != "screen":
        pixels += chance.normal(0, chance.uniform(1, 8), pixels.shape[:2])[..., np.newaxis]
        pixels += chance.normal(0, 2, pixels.shape)
    drawn = pixels.clip(0, 255).round().astype(np.uint8)
    return Picture(encode(drawn, ink, kind, chance, scene != "coloured"), label, kind, pen)


Pixels: TypeAlias = NDArray[np.float32]
"""float32[height, width, 3], 0 to 255."""
Ink: TypeAlias = NDArray[np.float32]
"""float32[height, width], 0 to 1."""


def _page(pixels: Pixels, ink: Ink, chance: np.random.Generator) -> tuple[Pixels, Ink]:
    return pixels, ink


def _tight(pixels: Pixels, ink: Ink, chance: np.random.Generator, margin: float = 0.0) -> tuple[Pixels, Ink]:
    """Cut to the digit's box, and a margin as a share of its longer side."""
    rows, columns = np.flatnonzero((ink > 0.1).any(axis=1)), np.flatnonzero((ink > 0.1).any(axis=0))
    by = round(margin * max(np.ptp(rows), np.ptp(columns)))
    part = (slice(max(0, rows[0] - by), rows[-1] + 1 + by), slice(max(0, columns[0] - by), columns[-1] + 1 + by))
    return pixels[part], ink[part]


def _nearly_tight(pixels: Pixels, ink: Ink, chance: np.random.Generator) -> tuple[Pixels, Ink]:
    return _tight(pixels, ink, chance, 0.02)


def _on_desk(pixels: Pixels, ink: Ink, chance: np.random.Generator) -> tuple[Pixels, Ink]:
    """The sheet on something dark, or what is dark on something light, that shows for 15% on each side."""
    levels = pixels.mean(axis=(0, 1))
    colour = chance.uniform(10, 70) + chance.uniform(-10, 10, 3) if levels.mean() > 128 else chance.uniform(190, 240, 3)
    down, right = (round(0.15 / 0.7 * side) for side in ink.shape)
    field = np.broadcast_to(colour.astype(np.float32), (ink.shape[0] + 2 * down, ink.shape[1] + 2 * right, 3)).copy()
    field += chance.normal(0, 6, field.shape[:2])[..., np.newaxis].astype(np.float32)
    field[down:-down, right:-right] = pixels
    return field, np.pad(ink, ((down, down), (right, right)))


def _ruled(pixels: Pixels, ink: Ink, chance: np.random.Generator, squared: bool = False) -> tuple[Pixels, Ink]:
    """With thin lines across the page, fainter than the ink."""
    rows = np.flatnonzero((ink > 0.1).any(axis=1))
    distance = max(12, round(np.ptp(rows) * chance.uniform(0.35, 1.2)))
    thick = max(1, round(distance * 0.03))
    lines = np.zeros(ink.shape, np.bool_)
    for start in range(thick):
        lines[start::distance] = True
        if squared:
            lines[:, start::distance] = True
    strength = chance.uniform(0.15, 0.45)
    towards = np.where(pixels.mean() > 128, 0.0, 255.0)
    drawn = pixels + (towards - pixels) * strength
    share = lines[..., np.newaxis] * (1 - ink[..., np.newaxis])
    return (pixels + (drawn - pixels) * share).astype(np.float32), ink


def _squared(pixels: Pixels, ink: Ink, chance: np.random.Generator) -> tuple[Pixels, Ink]:
    return _ruled(pixels, ink, chance, squared=True)


def _coloured(pixels: Pixels, ink: Ink, chance: np.random.Generator) -> tuple[Pixels, Ink]:
    """In ink that is about as bright as its paper, and differs from it by its colour."""
    paper, pen = np.array(EQUALLY_BRIGHT[chance.integers(len(EQUALLY_BRIGHT))], np.float32)
    drawn = paper + (pen - paper) * ink[..., np.newaxis]
    return drawn * light(ink.shape[1], ink.shape[0], chance)[..., np.newaxis], ink


# Paper and ink.
EQUALLY_BRIGHT = (
    ((30, 132, 60), (200, 60, 60)),
    ((88, 88, 88), (60, 80, 200)),
    ((60, 80, 200), (88, 88, 88)),
    ((90, 150, 90), (230, 100, 30)),
    ((240, 240, 240), (255, 240, 40)),
)
SCENES = {
    "page": _page,
    "tight": _tight,
    "nearly tight": _nearly_tight,
    "desk": _on_desk,
    "ruled": _ruled,
    "squared": _squared,
    "coloured": _coloured,
}


def strokes(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The pen's path: segments float64[count, 2 ends, (x, y)] between neighbours on the skeleton, in MNIST pixels."""
    side = image.shape[0] * ENLARGEMENT
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    skeleton = np.pad(skeletonize(large > 127), 1)
    segments = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        both = skeleton & np.roll(skeleton, (-down, -right), axis=(0, 1))
        rows, columns = np.nonzero(both)
        starts = np.stack([columns, rows], axis=1)
        segments.append(np.stack([starts, starts + np.array([right, down])], axis=1))
    rows, columns = np.nonzero(skeleton)  # and each pixel as a dot, for a skeleton of one
    dots = np.stack([columns, rows], axis=1)
    segments.append(np.stack([dots, dots], axis=1))
    return np.concatenate(segments) / ENLARGEMENT


def ink_coverage(
    path: NDArray[np.float64], size: tuple[int, int], pen: float, chance: np.random.Generator
) -> NDArray[np.float32]:
    """The path drawn with a round pen somewhere on a canvas, turned a little: float32[height, width], 0 to 1."""
    angle = np.radians(chance.uniform(-TURN, TURN))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = path.reshape(-1, 2) @ turn.T
    low, high = points.min(axis=0), points.max(axis=0)
    long_side = chance.uniform(*DIGIT) * min(size)
    stroke = max(1.2, pen * long_side)  # thinner ones are not to be seen
    points = (points - low) * ((long_side - stroke) / max(*(high - low), 1e-6))
    extent = points.max(axis=0)
    room = np.array(size) - extent - stroke
    points += stroke / 2 + chance.uniform(0.04, 0.96, 2) * room

    fine = 2  # Pillow draws without anti-aliasing
    canvas = Image.new("L", (size[0] * fine, size[1] * fine))
    pencil = ImageDraw.Draw(canvas)
    radius = stroke * fine / 2
    for (x0, y0), (x1, y1) in (points * fine).reshape(-1, 2, 2):
        pencil.line((x0, y0, x1, y1), fill=255, width=max(1, round(2 * radius)))
        pencil.ellipse((x0 - radius, y0 - radius, x0 + radius, y0 + radius), fill=255)
        pencil.ellipse((x1 - radius, y1 - radius, x1 + radius, y1 + radius), fill=255)
    blurred = canvas.reduce(fine).filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 1.2)))  # the lens
    return np.asarray(blurred, np.float32) / np.float32(255)


def light(width: int, height: int, chance: np.random.Generator) -> NDArray[np.float32]:
    """A factor for each pixel float32[height, width]: a gradient from a side, and at times a soft shadow."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    angle = chance.uniform(0, 2 * np.pi)
    ramp = 0.5 + (rows - 0.5) * np.sin(angle) + (columns - 0.5) * np.cos(angle)
    factor = 1 - chance.uniform(0, 0.55) * ramp.clip(0, 1)
    if chance.random() < 0.3:
        edge = (rows - chance.random()) * np.cos(angle) + (columns - chance.random()) * np.sin(angle)
        factor *= 1 - chance.uniform(0.1, 0.35) / (1 + np.exp(-edge / chance.uniform(0.03, 0.1)))
    return factor.astype(np.float32)


def _paper(chance: np.random.Generator) -> Sequence[Sequence[float]]:
    paper = chance.uniform(200, 250) + chance.uniform(-12, 5, 3)
    inks = ((25, 25, 30), (30, 45, 130), (150, 30, 40), (85, 85, 90), (20, 90, 60))  # the fourth is a pencil
    return [list(paper), list(np.array(inks[chance.integers(len(inks))]) + chance.uniform(-15, 15, 3))]


def _scan(chance: np.random.Generator) -> Sequence[Sequence[float]]:
    return [[chance.uniform(235, 255)] * 3, [chance.uniform(0, 90)] * 3]


def _screen(chance: np.random.Generator) -> Sequence[Sequence[float]]:
    dark, light = list(chance.uniform(0, 70, 3)), list(chance.uniform(190, 255, 3))
    return [dark, light] if chance.random() < 0.5 else [light, dark]


def _chalk(chance: np.random.Generator) -> Sequence[Sequence[float]]:
    return [list(chance.uniform(0, 60, 3)), list(chance.uniform(190, 250) + chance.uniform(-15, 5, 3))]


COLOURS = {"paper": _paper, "scan": _scan, "screen": _screen, "chalk": _chalk}


def encode(
    pixels: NDArray[np.uint8], ink: NDArray[np.float32], kind: str, chance: np.random.Generator, grey: bool = True
) -> bytes:
    """A file of uint8[height, width, 3]: photos as JPEG, the others as JPEG or PNG; grey: some of them in mode L."""
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    if kind == "paper" or chance.random() < 0.4:
        mode = "L" if grey and chance.random() < 0.2 else "RGB"
        image.convert(mode).save(buffer, "JPEG", quality=int(chance.integers(60, 96)))
        return buffer.getvalue()
    mode = chance.choice(["RGB", "L", "P", "RGBA"] if grey else ["RGB", "P", "RGBA"])
    if mode == "RGBA" and kind == "screen":  # ink on nothing
        alpha = Image.fromarray((ink * 255).round().astype(np.uint8))
        image = Image.new(
            "RGB", image.size, tuple(int(level) for level in pixels[np.unravel_index(ink.argmax(), ink.shape)])
        )
        image.putalpha(alpha)
    image.convert(str(mode)).save(buffer, "PNG")
    return buffer.getvalue()
