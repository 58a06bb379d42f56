"""What becomes of an image that people send as a picture file: its way to the file, and back to MNIST's form.

A file of an image is enlarged, framed, shown on a screen and photographed, inverted, saved as JPEG. Normalisation
(`digitforge.pictures`) brings it back, and leaves traces, which say nothing of the digit. So the detector sees both
classes after such a journey, and what it is worth is measured after one.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from digitforge.pictures.decoded import Found
from digitforge.pictures.images import decode_file

SIDE = 28
ENLARGEMENT = (2, 12)
Grey = NDArray[np.uint8]
Chance = np.random.Generator
RESAMPLING = (
    Image.Resampling.NEAREST,
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)
REDUCING = (Image.Resampling.BOX, *RESAMPLING[1:])


def sent(image: Grey, chance: Chance) -> Image.Image:
    """As it is, or dark on light."""
    picture = Image.fromarray(image)
    return _inverted(picture) if chance.random() < 0.5 else picture


def enlarged(image: Grey, chance: Chance) -> Image.Image:
    """To up to twelve times its size, whole or not, in any way of interpolation; light on dark or dark on light."""
    factor = float(np.exp(chance.uniform(*np.log(ENLARGEMENT))))
    return sent(np.asarray(_resized(image, round(factor) if chance.random() < 0.6 else factor, chance)), chance)


def bordered(image: Grey, chance: Chance) -> Image.Image:
    """With a border of the paper's colour, or a frame, and at times enlarged."""
    picture = enlarged(image, chance) if chance.random() < 0.5 else sent(image, chance)
    paper = int(picture.getpixel((0, 0)))  # type: ignore[arg-type]  # of a grey picture it is a number
    border = chance.integers(0, max(2, round(picture.width * chance.choice((0.1, 0.5)))), 4, endpoint=True).tolist()
    size = (picture.width + border[0] + border[2], picture.height + border[1] + border[3])
    around = Image.new("L", size, paper)
    around.paste(picture, (border[0], border[1]))
    if chance.random() < 0.3:
        ImageDraw.Draw(around).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=255 - paper)
    return around


def shown(image: Grey, chance: Chance) -> Image.Image:
    """On a page in a viewer or a notebook: enlarged, in the middle of a light or dark area."""
    picture = enlarged(image, chance)
    width, height = (round(picture.width * chance.uniform(1.1, 2.2)) for _ in range(2))
    page = Image.new("L", (width, height), int(chance.choice((255, 255, 250, 240, 30, 0))))
    left, top = (round(chance.uniform(0.2, 0.8) * room) for room in (width - picture.width, height - picture.height))
    page.paste(picture, (left, top))
    return page


def written(image: Grey, chance: Chance) -> Image.Image:
    """As ink on paper before a camera or in a scanner: other greys, another pen, light from a side, noise."""
    factor = chance.uniform(2, 6)
    picture = _resized(image, factor, chance, Image.Resampling.BICUBIC)
    pen = factor * chance.uniform(-0.5, 0.8)
    steps = 2 * round(abs(pen)) + 1
    if steps > 1:
        picture = picture.filter(ImageFilter.MaxFilter(steps) if pen > 0 else ImageFilter.MinFilter(steps))
    margin = round(factor * chance.uniform(0, 12))
    around = Image.new("L", (picture.width + 2 * margin, picture.height + 2 * margin))
    around.paste(picture, (margin, margin))
    ink = np.asarray(around.filter(ImageFilter.GaussianBlur(chance.uniform(0.3, 0.7 * factor))), np.float32) / 255
    paper, black = chance.uniform(150, 255), chance.uniform(0, 90)
    across, down = np.meshgrid(np.linspace(-1, 1, ink.shape[1]), np.linspace(-1, 1, ink.shape[0]))
    light = 1 - chance.uniform(0, 0.25) * (1 + across * chance.uniform(-1, 1) + down * chance.uniform(-1, 1)) / 2
    grey = (paper + (black - paper) * ink) * light + chance.normal(0, chance.uniform(0, 6), ink.shape)
    picture = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    return _inverted(picture) if chance.random() < 0.25 else picture


def tutorial(image: Grey, chance: Chance) -> Image.Image:
    """A file of about 28x28 as tutorials have people make it: half of them a drawing on a large canvas, reduced without
    more, and half a photo reduced so.
    """
    if chance.random() < 0.5:
        photo = written(image, chance)
        share = chance.uniform(22, 36) / max(photo.size)
        size = [max(8, round(share * side)) for side in photo.size]
        return photo.resize((size[0], size[1]), REDUCING[int(chance.integers(len(REDUCING)))])
    largest = SIDE / max(image.shape)  # of more than a digit, all of it
    picture = _resized(image, largest * chance.uniform(0.6, 1.2), chance, Image.Resampling.BICUBIC)
    canvas = Image.new("L", (SIDE, SIDE))
    left, top = (round((SIDE - side) / 2 + chance.uniform(-3, 3)) for side in picture.size)
    canvas.paste(picture, (left, top))
    return sent(np.asarray(canvas), chance)


Journey = Callable[[Grey, Chance], Image.Image]
JOURNEYS: dict[str, Journey] = {
    "sent": sent,
    "enlarged": enlarged,
    "bordered": bordered,
    "shown": shown,
    "written": written,
    "tutorial": tutorial,
}


def travelled(images: Tensor, journey: Journey, seed: int) -> Tensor:
    """Images after a journey, and in MNIST's form again.

    Args:
        images: uint8[count, height, width], white ink on black; a digit is as large as in 28x28.
        journey: To a picture, which is saved as PNG or, half of them, as JPEG.
        seed: Image i's journey depends on it and on i alone.

    Returns:
        uint8[count, 28, 28]: black where nothing was found, or several things.
    """
    answers = [
        travel(image, journey, np.random.default_rng([seed, index])) for index, image in enumerate(images.numpy())
    ]
    return torch.from_numpy(np.stack(answers)) if answers else torch.empty(0, SIDE, SIDE, dtype=torch.uint8)


def travel(image: Grey, journey: Journey, chance: Chance) -> Grey:
    """One image uint8[height, width] after a journey, and in MNIST's form again; black if it was not found as one."""
    picture = journey(image, chance)
    file = io.BytesIO()
    if chance.random() < 0.5:
        picture.save(file, "PNG")
    else:
        picture.save(file, "JPEG", quality=int(chance.integers(60, 96)))
    decoded = decode_file(file.getvalue())
    return decoded.pixels if decoded.found is Found.ONE else np.zeros((SIDE, SIDE), np.uint8)


def _resized(image: Grey, factor: float, chance: Chance, resampling: Image.Resampling | None = None) -> Image.Image:
    if resampling is None:
        resampling = RESAMPLING[int(chance.integers(len(RESAMPLING)))]
    height, width = (max(1, round(side * factor)) for side in image.shape)
    return Image.fromarray(image).resize((width, height), resampling)


def _inverted(picture: Image.Image) -> Image.Image:
    return Image.fromarray(255 - np.asarray(picture))
