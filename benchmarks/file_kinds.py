"""Digits of 28x28 as people send them: in files of other sizes, with borders, inverted, through screens and plots."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

NEAREST, BILINEAR, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


def as_file(
    image: NDArray[np.uint8],
    times: float = 1,
    kernel: Image.Resampling = NEAREST,
    border: int = 0,
    inverted: bool = False,
    quality: int | None = None,
) -> bytes:
    """An image uint8[28, 28] as a PNG, or as a JPEG of some quality: with a border, inverted and then enlarged."""
    picture = ImageOps.expand(Image.fromarray(image), border, 0)
    if inverted:
        picture = ImageOps.invert(picture)
    if times != 1:
        picture = picture.resize((round(picture.width * times), round(picture.height * times)), kernel)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG") if quality is None else picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def as_plot(image: NDArray[np.uint8], colours: str, axes: bool = True, dots_per_inch: int = 100) -> bytes:
    """An image uint8[28, 28] as `imshow` and `savefig` of matplotlib leave it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(dpi=dots_per_inch)
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    plot.imshow(image, cmap=colours)
    if not axes:
        plot.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


FILE_KINDS: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    "PNG": as_file,
    "JPEG": partial(as_file, quality=75),
    "inverted": partial(as_file, inverted=True),
    "border of 1": partial(as_file, border=1),
    "x2 nearest": partial(as_file, times=2),
    "x10 nearest": partial(as_file, times=10),
    "x4 bilinear": partial(as_file, times=4, kernel=BILINEAR),
    "x10 bicubic": partial(as_file, times=10, kernel=BICUBIC),
    "x10 bicubic, JPEG": partial(as_file, times=10, kernel=BICUBIC, quality=75),
    "x10 bicubic, inverted": partial(as_file, times=10, kernel=BICUBIC, inverted=True),
    "plot, grey": partial(as_plot, colours="gray"),
    "plot, grey, no axes": partial(as_plot, colours="gray", axes=False),
    "plot, grey reversed": partial(as_plot, colours="gray_r"),
    "plot, grey reversed, no axes": partial(as_plot, colours="gray_r", axes=False),
    "plot, viridis": partial(as_plot, colours="viridis"),
    "plot, viridis, no axes": partial(as_plot, colours="viridis", axes=False),
}
