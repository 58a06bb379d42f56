"""Pictures that are no handwritten digits, and that a detector of real ones must refuse: noise, blank and inverted
images, letters rendered from fonts. All are uint8[count, 28, 28].
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from evaluation.rounding import rounded

SIZE = 28
# Without those that are digits too, or look like one: O 0, I 1, L 1, S 5, Z 2, B 8, G 6, Q 9. Of the small ones also
# those that a hand would write like a digit.
LETTERS = "ACDEFHJKMNPRTUVWXY" + "acdefhkmnprtuvwxy"
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
