"""What happens to a picture of a digit on its way to the detector, and must not change the answer.

Shifted by a pixel or two, turned and stretched a little, blurred, scaled up or down and back, saved as JPEG, its faint
levels made black. Training
gives the same treatment to both classes, so that the detector learns digits and not traces of processing (Wang et al.
2020, "CNN-generated images are surprisingly easy to spot... for now", section 4). All take and give uint8[count, 28,
28]: every treatment ends in the same rounding.
"""

import io

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from evaluation.rounding import rounded

SIZE = 28
# Of the shifted images; the rest is shifted only.
SHARES = {"jpeg": 0.18, "resized": 0.18, "blurred": 0.18, "warped": 0.18, "rewritten": 0.08}
MOST_SHIFT = 2  # pixels
CLEANED = 0.1  # of all images, after all else
MOST_CLEANED = 16  # levels


def treated(images: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the images as they are, the others shifted, and most of these treated further, as drawn at random; then
    some of all are cleaned.
    """
    count = len(images)
    draw = 2 * torch.rand(count, generator=rng) - 1  # below 0: as it is
    shift = torch.randint(-MOST_SHIFT, MOST_SHIFT + 1, (count, 2), generator=rng)
    shift[draw < 0] = 0
    images = shifted(images, shift)
    start = 0.0
    for name, share in SHARES.items():
        (chosen,) = torch.where((draw >= start) & (draw < start + share))
        start += share
        if len(chosen):
            images[chosen] = ALL[name](images[chosen], rng)
    (chosen,) = torch.where(torch.rand(count, generator=rng) < CLEANED)
    images[chosen] = cleaned(images[chosen], rng)
    return images


def cleaned(images: Tensor, rng: torch.Generator) -> Tensor:
    """Without the levels below one of 2 to 16, each its own, as after a threshold: what is nearly black is black."""
    least = torch.randint(2, MOST_CLEANED + 1, (len(images), 1, 1), generator=rng)
    return images * (images >= least)


def shifted(images: Tensor, shift: Tensor) -> Tensor:
    """Moved by int64[count, 2] pixels down and right, each at most 27; black comes in."""
    margin = int(shift.abs().max()) if len(shift) else 0
    padded = F.pad(images, (margin, margin, margin, margin))
    steps = torch.arange(SIZE)
    rows = margin + steps - shift[:, :1]
    columns = margin + steps - shift[:, 1:]
    each = torch.arange(len(images))[:, None, None]
    return padded[each, rows[:, :, None], columns[:, None, :]]


def blurred(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each by a kernel [a, 1 - 2a, a] across and down, a up to 0.25 (a Gaussian of up to 0.7 pixels)."""
    a = 0.25 * torch.rand(len(images), 1, 1, generator=rng)
    x = F.pad(images.float(), (1, 1, 1, 1))
    x = (1 - 2 * a) * x[:, 1:-1] + a * (x[:, :-2] + x[:, 2:])
    x = (1 - 2 * a) * x[:, :, 1:-1] + a * (x[:, :, :-2] + x[:, :, 2:])
    return rounded(x)


def resized(images: Tensor, rng: torch.Generator) -> Tensor:
    """Scaled to 18 to 56 pixels and back, both antialiased, as an image library does; one size for all."""
    side = int(torch.randint(18, 57, (1,), generator=rng))
    mode = ("bilinear", "bicubic")[int(torch.randint(2, (1,), generator=rng))]
    x = F.interpolate(images[:, None].float(), (side, side), mode=mode, antialias=True)
    x = rounded(x).float()
    return rounded(F.interpolate(x, (SIZE, SIZE), mode=mode, antialias=True)[:, 0])


def warped(images: Tensor, rng: torch.Generator) -> Tensor:
    """Turned by up to 10 degrees, stretched and sheared by up to a tenth: within what hands do."""
    count = len(images)
    turn, shear = (limit * (2 * torch.rand(count, generator=rng) - 1) for limit in (0.17, 0.1))
    across, down = 0.9 + 0.2 * torch.rand(2, count, generator=rng)
    return rounded(affine(images.float(), turn, across, down, shear))


def rewritten(images: Tensor, rng: torch.Generator) -> Tensor:
    """As another hand might have it: turned and sheared further, bent, with a thicker or thinner pen."""
    count = len(images)
    pixels = with_other_pen(images.float(), rng)
    turn, shear = (limit * (2 * torch.rand(count, generator=rng) - 1) for limit in (0.3, 0.25))
    across, down = 0.85 + 0.35 * torch.rand(2, count, generator=rng)
    wobble = 0.06 * torch.rand(count, 1, 1, 1, generator=rng) * torch.randn(count, 2, 5, 5, generator=rng)
    return rounded(affine(pixels, turn, across, down, shear, F.interpolate(wobble, SIZE, mode="bicubic")))


def with_other_pen(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """float32[count, 28, 28] with strokes up to a pixel thicker or thinner on either side."""
    pixels = pixels[:, None]
    thicker = F.max_pool2d(pixels, 3, stride=1, padding=1)
    thinner = -F.max_pool2d(-pixels, 3, stride=1, padding=1)
    weight = (3 * torch.rand(len(pixels), 1, 1, 1, generator=rng) - 1.2).clamp(-0.7, 1)
    return (pixels + weight.abs() * (torch.where(weight > 0, thicker, thinner) - pixels))[:, 0]


def affine(
    pixels: Tensor, turn: Tensor, across: Tensor, down: Tensor, shear: Tensor, bent: Tensor | None = None
) -> Tensor:
    """float32[count, 28, 28], each turned about its middle by so many radians, stretched and sheared, bicubically.

    Args:
        pixels: The images.
        turn: Radians, float32[count] like the others.
        across: Width of the sampled area in multiples of the image's: above 1 the image shrinks.
        down: The same of its height.
        shear: Of the sampled area, in multiples of its height.
        bent: How far each pixel is moved besides, across and down in halves of the side, float32[count, 2, 28, 28].
    """
    cos, sin, none = turn.cos(), turn.sin(), torch.zeros(len(pixels))
    theta = torch.stack(
        [torch.stack([across * cos, shear - sin, none], 1), torch.stack([sin, down * cos, none], 1)], dim=1
    )
    grid = F.affine_grid(theta, [len(pixels), 1, SIZE, SIZE], align_corners=False)
    if bent is not None:
        grid = grid + bent.permute(0, 2, 3, 1)
    return F.grid_sample(pixels[:, None], grid, mode="bicubic", align_corners=False)[:, 0]


def jpeg(images: Tensor, rng: torch.Generator) -> Tensor:
    """Saved as JPEG with a quality of 60 to 95, each with its own, and read again."""
    qualities = torch.randint(60, 96, (len(images),), generator=rng).tolist()
    answers = [_saved_and_read(image, quality) for image, quality in zip(images, qualities, strict=True)]
    return torch.stack(answers) if answers else images


def _saved_and_read(image: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(image.numpy()).save(file, "JPEG", quality=quality)
    return torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8).view(SIZE, SIZE)


TREATMENTS = {"jpeg": jpeg, "resized": resized, "blurred": blurred, "warped": warped}
ALL = TREATMENTS | {"rewritten": rewritten}  # the last is for training: it changes more than a picture's way does
