"""A pen: the paths of glyphs and digits, drawn anew as a hand would, with strokes of any width.

A path is what thinning leaves of an image, one pixel wide (Zhang and Suen 1984, "A fast parallel algorithm for thinning
digital patterns"). Of each image the distance to its path is kept, and a pen of some width covers what lies within half
of it. So a warp of the plane, a place and a width are all chosen while drawing, for many images at once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluation.rounding import rounded
from evaluation.treatments import shifted

SIDE = 28
BOX = 20  # MNIST's: the longer side of a digit's ink
FIELD = 64  # pixels of a distance field's side
EXTENT = 40  # of them that a path may take
REACH = 15  # pixels of a field up to which the distance is known
UNIT = 16  # of a distance field: a sixteenth of a pixel
COARSE = 32  # pixels at which a warped path's place is found


@dataclass(frozen=True)
class Hand:
    """How a pen is led; each drawing draws its own numbers, evenly up to these limits.

    Attributes:
        pen: Least and greatest width of the stroke, in pixels of the 28.
        turn: Radians.
        stretch: Share by which a drawing is wider or narrower.
        shear: Slant, in multiples of the height.
        wobble: Standard deviation of a smooth displacement, in shares of half the field's side.
    """

    pen: tuple[float, float] = (1.3, 4.5)
    turn: float = 0.25
    stretch: float = 0.25
    shear: float = 0.3
    wobble: float = 0.05


def distance_fields(ink: Tensor) -> Tensor:
    """The distance to the thinned ink, bool[count, 64, 64] to uint8[count, 64, 64] in sixteenths of a pixel."""
    path = thinned(ink)
    squares = torch.where(path, 0.0, float(REACH**2))
    for axis in (1, 2):  # the squared distance along one axis, then of what that leaves along the other
        squares = _least_along(squares, axis)
    return (squares.sqrt() * UNIT).round().to(torch.uint8)


def thinned(ink: Tensor) -> Tensor:
    """Strokes bool[count, height, width] reduced to a width of one pixel, by Zhang and Suen's two passes in turn."""
    count, height, width = ink.shape
    pixels = F.pad(ink, (1, 1, 1, 1)).to(torch.uint8).flatten()
    row = width + 2
    around = torch.tensor([-row, -row + 1, 1, row + 1, row, row - 1, -1, -row - 1])  # clockwise from the one above
    places = torch.where(pixels > 0)[0]
    left = -1
    while left != len(places):
        left = len(places)
        for removable in REMOVABLE:
            code = torch.zeros(len(places), dtype=torch.int32)
            for bit, step in enumerate(around.tolist()):
                code |= pixels[places + step].int() << bit
            removed = removable[code]
            pixels[places[removed]] = 0
            places = places[~removed]
    return pixels.view(count, height + 2, width + 2)[:, 1:-1, 1:-1] > 0


def _removable(even: bool) -> Tensor:
    """For each of the 256 neighbourhoods of a pixel, bit after bit clockwise from above, whether a pass takes it."""
    answers = []
    for code in range(256):
        ring = [bool(code >> bit & 1) for bit in range(8)]
        north, _, east, _, south, _, west, _ = ring
        begins = sum(not one and other for one, other in zip(ring, ring[1:] + ring[:1], strict=True))
        first, second = (
            ((north, west, east), (north, west, south)) if even else ((north, east, south), (east, south, west))
        )
        answers.append(2 <= sum(ring) <= 6 and begins == 1 and not all(first) and not all(second))
    return torch.tensor(answers)


REMOVABLE = (_removable(even=False), _removable(even=True))


def fields_of_images(images: Tensor) -> Tensor:
    """The paths of uint8[count, 28, 28], as `distance_fields` has them."""
    parts = []
    for part in images.split(500):
        large = F.interpolate(part[:, None].float(), (FIELD - 8, FIELD - 8), mode="bicubic")[:, 0]
        parts.append(distance_fields(F.pad(large, (4, 4, 4, 4)) > 127))
    return torch.cat(parts) if parts else torch.empty(0, FIELD, FIELD, dtype=torch.uint8)


def drawn(fields: Tensor, rng: torch.Generator, hand: Hand = Hand()) -> Tensor:
    """Draw paths in MNIST's form: a box of 20x20, the centre of mass in the middle.

    Args:
        fields: uint8[count, 64, 64], of `distance_fields`.
        rng: For the pen, the warp and the wobble, which every drawing has of its own.
        hand: Their limits.

    Returns:
        uint8[count, 28, 28], white ink on black.
    """
    count = len(fields)
    if count == 0:
        return torch.empty(0, SIDE, SIDE, dtype=torch.uint8)
    distances = fields[:, None].float() / UNIT
    turn, across, down, shear = (2 * torch.rand(4, count, 1, 1, generator=rng) - 1).unbind()
    turn, shear = hand.turn * turn, hand.shear * shear
    across, down = 1 + hand.stretch * across, 1 + hand.stretch * down
    wobble = hand.wobble * torch.rand(count, 1, 1, 1, generator=rng) * torch.randn(count, 3, 5, 5, generator=rng)
    least, most = hand.pen
    pen = least + (most - least) * torch.rand(count, 1, 1, generator=rng) ** 1.5  # thin pens are the common ones

    def sample(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The distances at places of the drawing, float[count, height, width], and the pen's pressure there."""
        bent = F.grid_sample(
            wobble, torch.stack([x, y], dim=-1), mode="bicubic", padding_mode="border", align_corners=False
        )
        x, y = x + bent[:, 0], y + bent[:, 1]
        cos, sin = turn.cos(), turn.sin()
        grid = torch.stack([across * (x * cos - y * sin) + shear * y, down * (x * sin + y * cos)], dim=-1)
        found = F.grid_sample(distances, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return found[:, 0], 1 + 4 * bent[:, 2]

    # Where the warped path lies, on a grid wide enough for it to have left the field's middle.
    steps = 1.3 * torch.linspace(-1, 1, COARSE)
    y, x = (axis.expand(count, -1, -1) for axis in torch.meshgrid(steps, steps, indexing="ij"))
    inside = sample(x, y)[0] < 2
    low_x, high_x = (_extreme(x, inside, largest) for largest in (False, True))
    low_y, high_y = (_extreme(y, inside, largest) for largest in (False, True))
    half = torch.maximum(high_x - low_x, high_y - low_y).clamp(min=0.1) / 2

    # The 28 pixels laid over it, such that the ink, half a pen's width beyond the path, fills the box.
    scale = half / ((BOX - pen).clamp(min=4) / 2)  # of a pixel's side, in the field's coordinates
    pixels = torch.arange(SIDE) - (SIDE - 1) / 2
    y, x = torch.meshgrid(pixels, pixels, indexing="ij")
    found, pressure = sample((low_x + high_x) / 2 + x * scale, (low_y + high_y) / 2 + y * scale)
    pitch = scale * (FIELD / 2) * (across * down).sqrt()  # pixels of the field in one of the drawing
    ink = (pen * pressure.clamp(0.6, 1.4) / 2 - found / pitch + 0.5).clamp(0, 1)
    return centred(rounded(255 * ink))


def centred(images: Tensor) -> Tensor:
    """Moved by whole pixels, uint8[count, 28, 28], so that the centre of mass is in the middle."""
    mass = images.flatten(1).double().sum(dim=1).clamp(min=1)
    places = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    rows, columns = (images.double().sum(dim=axis) @ places / mass for axis in (2, 1))
    return shifted(images, -torch.stack([rows, columns], dim=1).round().long().clamp(-4, 4))


def scribbles(count: int, rng: torch.Generator) -> Tensor:
    """The paths of doodles that no digit looks like, bool[count, 64, 64]: one long scribble, or several short strokes.

    Each stroke is a sum of a few waves across and down.
    """
    images = torch.zeros(count, FIELD * FIELD, dtype=torch.bool)
    moments = torch.linspace(0, 1, 400)
    strokes = torch.randint(3, 7, (count, 1), generator=rng)
    long = torch.rand(count, 1, generator=rng) < 0.4
    for stroke in range(6):
        waves = torch.arange(1.0, 8.0)
        falling = torch.where(long, 1.0, 1.0 / waves**1.5)
        sizes = falling * torch.randn(2, count, 7, generator=rng) / 3
        phases = 2 * torch.pi * torch.rand(2, count, 7, generator=rng)
        waving = torch.sin(torch.pi * waves[:, None] * moments + phases[..., None])
        places = (sizes[..., None] * waving).sum(dim=2)
        wide = torch.where(long, 0.9, 0.25 + 0.5 * torch.rand(count, 1, generator=rng))
        offset = torch.where(long, 0.0, 1.2 * torch.rand(2, count, 1, generator=rng) - 0.6)
        places = offset + wide * (places / places.abs().amax(dim=2, keepdim=True))
        pixels = (FIELD / 2 + places.clamp(-1, 1) * (EXTENT / 2)).long().clamp(0, FIELD - 1)
        there = (stroke < strokes) & (~long | (stroke == 0))
        index = torch.where(there, pixels[1] * FIELD + pixels[0], 0)
        images.scatter_(1, index, True)
    images[:, 0] = False
    return images.view(count, FIELD, FIELD)


def _least_along(squares: Tensor, axis: int) -> Tensor:
    """Min over d of `squares` moved by d, plus d squared."""
    answer = squares
    for step in range(1, REACH):
        for way in (step, -step):
            moved = torch.full_like(squares, float(REACH**2))
            length = squares.shape[axis] - step
            source = squares.narrow(axis, 0 if way > 0 else step, length)
            moved.narrow(axis, step if way > 0 else 0, length).copy_(source)
            answer = torch.minimum(answer, moved + step * step)
    return answer


def _extreme(places: Tensor, inside: Tensor, largest: bool) -> Tensor:
    """The largest or smallest place that is inside, float[count, 1, 1]; 0 where none is."""
    nothing = -float("inf") if largest else float("inf")
    chosen = torch.where(inside, places, nothing).flatten(1)
    found = chosen.amax(dim=1) if largest else chosen.amin(dim=1)
    return torch.where(found.isfinite(), found, 0.0)[:, None, None]
