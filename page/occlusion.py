"""What gave an image away: what the detector says with a part of it covered (Zeiler and Fergus 2014, section 4.2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitforge import AsyncClient
from digitforge.pictures.sizes import SIDE

PATCH, STRIDE = 6, 2  # pixels
PLACES = (SIDE - PATCH) // STRIDE + 1  # a side


def covered(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8[28, 28] -> uint8[PLACES * PLACES, 28, 28]: a square of paper over every place, row by row."""
    images = np.repeat(image[np.newaxis], PLACES * PLACES, axis=0)
    for place, (row, column) in enumerate(np.ndindex(PLACES, PLACES)):
        top, left = row * STRIDE, column * STRIDE
        images[place, top : top + PATCH, left : left + PATCH] = 0
    return images


async def real_probabilities(client: AsyncClient, image: NDArray[np.uint8], version: int) -> Sequence[Sequence[float]]:
    """What `real_probability` becomes with each place covered: PLACES rows of as many, by one call.

    Args:
        client: Of the server.
        image: uint8[28, 28], as it was scored.
        version: Of the detector that scored it.
    """
    answer = await client.infer(
        "discriminator", {"images": covered(image)}, outputs=["real_probability"], version=version
    )
    found: NDArray[Any] = answer["real_probability"]
    rows: list[list[float]] = found.reshape(PLACES, PLACES).astype(float).round(6).tolist()
    return rows
