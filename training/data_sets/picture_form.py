"""Pictures of any size to 28x28: in MNIST's manner, as a server brings what it scores, or as they are.

What runs in processes of its own is here, and imports no torch.
"""

import hashlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from digitforge import pictures
from digitforge.machine.cores import cores_allowed
from digitforge.pictures.errors import PictureError
from digitforge.pictures.files import prepare_file
from digitforge.pictures.images import decode, open_file
from digitforge.pictures.normalisation import normalise
from digitforge.pictures.picture import upright_grey
from digitforge.pictures.sizes import SIDE

MAX_PIXELS = 150_000_000  # of one's own picture; a server takes less of a stranger's
ALONE = 200  # so many are sooner done than a process is started
CHUNK = 16  # pictures that a process takes at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


def form_of_file(path: Path, as_is: bool) -> NDArray[np.uint8] | str:
    """A picture's file as uint8[28, 28], or in words why it is none.

    The digit, or whatever was drawn, is looked for and brought to MNIST's form, unless it has it; `as_is` crops the
    picture to a square in the middle instead, and reduces that to grey levels that are taken for white ink on black.
    """
    try:
        image = open_file(prepare_file(path.read_bytes()), MAX_PIXELS)
        return square(upright_grey(image)) if as_is else _or_blank(decode(image).pixels)
    except PictureError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except (ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return f"a damaged file: {error}"


def form_of_pixels(pixels: NDArray[np.uint8], as_is: bool) -> NDArray[np.uint8] | str:
    """The same of grey pixels uint8[height, width]."""
    if pixels.shape == (SIDE, SIDE):
        return pixels
    image = Image.fromarray(pixels)
    return square(image) if as_is else _or_blank(normalise(image).pixels)


def square(image: Image.Image) -> NDArray[np.uint8]:
    """The largest square in the middle of a grey picture, as uint8[28, 28]."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    middle = (left, top, left + side, top + side)
    kind = Image.Resampling.BOX if side > SIDE else Image.Resampling.BICUBIC
    return np.asarray(image.resize((SIDE, SIDE), kind, middle))


def _or_blank(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | str:
    return pixels if pixels.any() else "nothing is found in it"


@cache
def form_version() -> str:
    """Another one whenever pictures may come out otherwise: of the code that forms them, and of Pillow."""
    digest = hashlib.sha256(PIL.__version__.encode())
    for path in (*sorted(Path(pictures.__file__).parent.glob("*.py")), Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def each(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The results in order, by as many processes as there are cores where there is much to do."""
    workers = cores_allowed()
    if len(items) <= ALONE or workers == 1:
        yield from map(function, items)
        return
    context = multiprocessing.get_context("spawn")  # torch's threads are running here, which a fork would break
    executor = ProcessPoolExecutor(workers, context, initializer=_leave_ctrl_c_to_the_parent)
    try:
        yield from executor.map(function, items, chunksize=CHUNK)
    finally:
        executor.shutdown(cancel_futures=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
