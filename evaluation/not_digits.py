"""Pictures that are no handwritten digits, and that a detector of real ones must refuse: noise, blank and inverted
images, letters rendered from fonts or drawn with a pen, several digits, silhouettes. All are uint8[count, 28, 28].
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from evaluation.pen import EXTENT, FIELD, centred, distance_fields
from evaluation.rounding import rounded

SIZE = 28
BOX = 20  # of a digit's ink in MNIST
# Without those that are digits too, or look like one: O 0, I 1, L 1, S 5, Z 2, B 8, G 6, Q 9. Of the small ones also
# those that a hand would write like a digit.
LETTERS = "ACDEFHJKMNPRTUVWXY" + "acdefhkmnprtuvwxy"
# Likewise, without ο 0, ι 1, σ 6, ς 5.
GREEK = "ΓΔΘΛΞΠΣΦΨΩ" + "αβγδεζηθκλμνξπρτυφχψω"
SIGNS = "+-=×÷±*#&@?%$√∑∞≠≤≥^<→←↑↓↔"
# They come with matplotlib. A detector is tested with other fonts than it is trained with.
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
TRAINING_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSansMono",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif-BoldItalic",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "cmb10",
    "cmmi10",
    "cmti10",
)
TEST_FONTS = ("DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Bold", "STIXGeneralItalic", "cmr10", "cmss10", "cmtt10")


def noise(count: int, rng: torch.Generator) -> Tensor:
    """Random pixels: even or normal, from fine to coarse, dense or sparse, faint or strong, as many of each."""
    images = []
    for start in range(0, count, 16):
        some = min(16, count - start)
        side = int(torch.randint(4, SIZE + 1, (1,), generator=rng))
        x = torch.rand(some, 1, side, side, generator=rng)
        if start // 16 % 2:
            x = (0.5 + 0.25 * torch.randn(some, 1, side, side, generator=rng)).clamp(0, 1)
        density, contrast = torch.rand(2, some, 1, 1, 1, generator=rng)
        x = x * (torch.rand(some, 1, side, side, generator=rng) < 0.05 + 0.95 * density) * (0.2 + 0.8 * contrast)
        images.append(F.interpolate(x, (SIZE, SIZE), mode="bilinear")[:, 0])
    return rounded(255 * torch.cat(images)) if images else torch.empty(0, SIZE, SIZE, dtype=torch.uint8)


def blank(count: int, rng: torch.Generator) -> Tensor:
    """One grey all over, a fifth of them black; or a ramp from one grey to another across the image."""
    left, right = torch.rand(2, count, 1, 1, generator=rng)
    kind = torch.rand(count, 1, 1, generator=rng)
    right = torch.where(kind < 0.6, left, right)
    ramp = left + (right - left) * torch.linspace(0, 1, SIZE).expand(count, SIZE, SIZE)
    ramp = torch.where(kind < 0.2, 0.0, ramp)
    turned = torch.rand(count, 1, 1, generator=rng) < 0.5
    return rounded(255 * torch.where(turned, ramp.transpose(1, 2), ramp))


def inverted(digits: Tensor) -> Tensor:
    """Dark ink on white."""
    return 255 - digits


def letters(count: int, rng: torch.Generator, fonts: Sequence[str]) -> Tensor:
    """Letters that no digit looks like, about as large as digits are, near the middle."""
    images = torch.empty(count, SIZE, SIZE, dtype=torch.uint8)
    loaded = {(name, size): ImageFont.truetype(FONTS / f"{name}.ttf", size) for name in fonts for size in range(17, 27)}
    names = list(loaded)
    for image in images:
        font = loaded[names[_draw(len(names), rng)]]
        text = LETTERS[_draw(len(LETTERS), rng)]
        picture = Image.new("L", (SIZE, SIZE))
        at = (SIZE / 2 + _draw(5, rng) - 2, SIZE / 2 + _draw(5, rng) - 2)
        left, top, right, bottom = ImageDraw.Draw(picture).textbbox((0, 0), text, font=font)
        ImageDraw.Draw(picture).text((at[0] - (left + right) / 2, at[1] - (top + bottom) / 2), text, 255, font)
        image.copy_(torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(SIZE, SIZE))
    return images


def _draw(limit: int, rng: torch.Generator) -> int:
    return int(torch.randint(limit, (1,), generator=rng))


@cache
def glyph_paths(texts: str, fonts: tuple[str, ...]) -> Tensor:
    """The paths of all these characters in all fonts that have them, as `evaluation.pen` draws them."""
    glyphs = []
    for name in fonts:
        path = FONTS / f"{name}.ttf"
        known = FT2Font(str(path))
        font = ImageFont.truetype(path, FIELD)
        for text in texts:
            if not known.get_char_index(ord(text)):
                continue
            left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
            picture = Image.new("L", (max(1, right - left), max(1, bottom - top)))
            ImageDraw.Draw(picture).text((-left, -top), text, 255, font)
            scale = EXTENT / max(picture.size)
            size = [max(1, round(scale * side)) for side in picture.size]
            picture = picture.resize(size, Image.Resampling.BICUBIC)
            field = Image.new("L", (FIELD, FIELD))
            field.paste(picture, ((FIELD - picture.width) // 2, (FIELD - picture.height) // 2))
            glyphs.append(torch.frombuffer(bytearray(field.tobytes()), dtype=torch.uint8).view(FIELD, FIELD))
    return distance_fields(torch.stack(glyphs) > 127)


def several(parts: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Two to five of the parts uint8[parts, 28, 28] in an image, side by side, a quarter of the images in two rows."""
    if count == 0:
        return torch.empty(0, SIZE, SIZE, dtype=torch.uint8)
    numbers = torch.multinomial(torch.ones(4), count, replacement=True, generator=rng).bincount(minlength=4).tolist()
    images = torch.cat(
        [_reduced(page(parts, number, columns, rng), rng) for columns, number in enumerate(numbers, 2) if number]
    )
    return images[torch.randperm(count, generator=rng)]


def page(parts: Tensor, count: int, columns: int, rng: torch.Generator) -> Tensor:
    """So many of the parts uint8[parts, 28, 28] side by side, at their own size: uint8[count, height, width].

    A quarter of the pages have a second row. How far apart the parts are is the same for all.
    """
    pitch = int(torch.randint(13, 24, (1,), generator=rng))
    apart = int(torch.randint(18, 27, (1,), generator=rng))
    pages = torch.zeros(count, SIZE + 6 + apart, SIZE + pitch * (columns - 1), dtype=torch.uint8)
    two = torch.rand(count, 1, 1, generator=rng) < 0.25
    for top in (0, apart):
        for column in range(columns):
            chosen = parts[torch.randint(len(parts), (count,), generator=rng)]
            down = top + int(torch.randint(7, (1,), generator=rng))
            place = pages[:, down : down + SIZE, column * pitch : column * pitch + SIZE]
            torch.maximum(place, chosen if top == 0 else chosen * two, out=place)
    return pages


def _reduced(pages: Tensor, rng: torch.Generator) -> Tensor:
    """Pages as normalisation has them: uint8[count, 28, 28]."""
    tall, wide = pages.shape[1:]
    scale = BOX / (wide - 8)  # a digit keeps about four black pixels on either side
    size = (max(8, round(tall * scale)), round(wide * scale))
    small = F.interpolate(pages[:, None].float(), size, mode="bilinear", antialias=True)
    # It widens strokes that have become thin, and makes the brightest white.
    wider = F.max_pool2d(small, 3, stride=1, padding=1)
    share = 0.8 * torch.rand(len(pages), 1, 1, 1, generator=rng)
    small = small + share * (wider - small)
    small = 255 * small / small.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    padded = F.pad(small[:, 0], (SIZE, SIZE, SIZE, SIZE))
    top, left = (padded.shape[1] - SIZE) // 2, (padded.shape[2] - SIZE) // 2
    return centred(rounded(padded[:, top : top + SIZE, left : left + SIZE]))


def silhouettes(count: int, rng: torch.Generator) -> Tensor:
    """Things seen as one plain or patterned shape, as large as digits are: a smooth outline, half of them symmetric as
    clothes and vessels are, some with a hole.
    """
    steps = torch.arange(SIZE) - (SIZE - 1) / 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    symmetric = torch.rand(count, 1, 1, generator=rng) < 0.5
    x = torch.where(symmetric, x.abs(), x)
    angle = torch.atan2(y.expand_as(x), x)
    radius = (x.square() + y.square()).sqrt()
    waves = torch.arange(1.0, 9.0)[:, None, None]
    size = 0.5 * torch.randn(count, 8, 1, 1, generator=rng) / waves.sqrt()
    phase = 2 * torch.pi * torch.rand(count, 8, 1, 1, generator=rng)
    outline = (size * torch.cos(waves * angle[:, None] + phase)).sum(dim=1)
    middle = 4 + 6 * torch.rand(count, 1, 1, generator=rng)
    edge = (middle * (1 + 0.7 * outline.tanh())).clamp(max=13)
    cover = (edge - radius + 0.5).clamp(0, 1)
    hole = (torch.rand(count, 1, 1, generator=rng) < 0.25) * edge * (0.2 + 0.4 * torch.rand(count, 1, 1, generator=rng))
    cover = torch.minimum(cover, (radius - hole + 0.5).clamp(0, 1) + (hole == 0))
    across, down, start = torch.rand(3, count, 1, 1, generator=rng).unbind()
    stripes = torch.sin(2 * across * x + 2 * down * y + 2 * torch.pi * start)
    mottle = F.interpolate(torch.rand(count, 1, 9, 9, generator=rng), SIZE, mode="bicubic")[:, 0].clamp(0, 1)
    pattern = torch.where(torch.rand(count, 1, 1, generator=rng) < 0.3, 0.5 + 0.5 * stripes, mottle)
    depth = torch.rand(count, 1, 1, generator=rng) * (torch.rand(count, 1, 1, generator=rng) < 0.7)
    return rounded(255 * cover * (1 - depth * pattern))


def strips(count: int, rng: torch.Generator) -> Tensor:
    """Parts of screens and printed pages: lines of text as rows of blocks."""
    words = torch.rand(count, SIZE, SIZE, generator=rng)
    pitch = torch.randint(3, 9, (count, 1, 1), generator=rng)
    high = (pitch * (0.3 + 0.5 * torch.rand(count, 1, 1, generator=rng))).round().clamp(min=1)
    rows = torch.arange(SIZE)[:, None]
    inside = ((rows + torch.randint(9, (count, 1, 1), generator=rng)) % pitch) < high
    dense = 0.3 + 0.6 * torch.rand(count, 1, 1, generator=rng)
    coarse = F.interpolate(words[:, None, :, ::3], (SIZE, SIZE), mode="nearest")[:, 0]
    fine = torch.rand(count, 1, 1, generator=rng) < 0.5
    lines = inside * (torch.where(fine, words, coarse) < dense) * (0.5 + 0.5 * torch.rand(count, 1, 1, generator=rng))
    left, right = torch.randint(0, 8, (count, 1, 1), generator=rng), torch.randint(20, 29, (count, 1, 1), generator=rng)
    columns = torch.arange(SIZE)
    lines = lines * ((columns >= left) & (columns < right))
    soft = F.avg_pool2d(lines[:, None], 3, stride=1, padding=1)[:, 0]
    return rounded(255 * torch.where(torch.rand(count, 1, 1, generator=rng) < 0.5, soft, lines))


def zigzags(count: int, rng: torch.Generator) -> Tensor:
    """The paths of doodles of straight lines, bool[count, 64, 64]: through seven to twelve places in turn."""
    images = torch.zeros(count, FIELD * FIELD, dtype=torch.bool)
    corners = torch.rand(count, 12, 2, generator=rng)
    number = torch.randint(7, 13, (count, 1), generator=rng)
    share = torch.linspace(0, 1, 60)[:, None]
    for corner in range(1, 12):
        line = corners[:, corner - 1, None] + share * (corners[:, corner, None] - corners[:, corner - 1, None])
        pixels = ((FIELD - EXTENT) / 2 + EXTENT * line).long()
        index = pixels[..., 0] * FIELD + pixels[..., 1]
        images.scatter_(1, torch.where(corner < number, index, index[:, :1]), True)
    return images.view(count, FIELD, FIELD)
