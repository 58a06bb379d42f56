"""The 1,797 handwritten digits that scikit-learn carries, brought from 8x8 to 28x28 in MNIST's manner.

They are what is left to train on where MNIST is neither on disk nor to be downloaded. (Alpaydin and Kaynak 1998,
"Optical Recognition of Handwritten Digits", UCI.)
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SIDE = 28
BOX = 20  # MNIST fits a digit's ink into a 20x20 box and puts its centre of mass at the centre of 28x28
ENLARGEMENT = 16
INK = 0.25  # share of the brightest value from which a pixel belongs to the stroke, when its box is measured


def load_small_digits() -> tuple[Tensor, Tensor]:
    """All 1,797: images uint8[1797, 28, 28], white ink on black, and labels int64[1797]."""
    from sklearn.datasets import load_digits  # here, since it takes a second, which a run on MNIST need not wait for

    digits = load_digits()
    images = np.stack([_in_mnist_manner(image) for image in digits.images])
    return torch.from_numpy(images), torch.from_numpy(digits.target.astype(np.int64))


def _in_mnist_manner(image: np.ndarray) -> np.ndarray:
    """float[8, 8] with ink from 0 to 16 -> uint8[28, 28]."""
    side = image.shape[0] * ENLARGEMENT
    # A margin first, so that the enlarged stroke fades out instead of ending at the border.
    padded = np.pad(image.astype(np.float32), 1)
    large = Image.fromarray(padded).resize((side, side), Image.Resampling.BICUBIC)
    ink = np.asarray(large) > INK * image.max()
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = large.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))

    scale = BOX / max(box.size)
    size = (max(1, round(box.width * scale)), max(1, round(box.height * scale)))
    digit = np.asarray(box.resize(size, Image.Resampling.LANCZOS)).clip(0, None)
    digit = digit / digit.max() * 255

    height, width = digit.shape
    mass = digit.sum()
    centre_row = (digit.sum(axis=1) @ np.arange(height)) / mass
    centre_column = (digit.sum(axis=0) @ np.arange(width)) / mass
    top = int(np.clip(round((SIDE - 1) / 2 - centre_row), 0, SIDE - height))
    left = int(np.clip(round((SIDE - 1) / 2 - centre_column), 0, SIDE - width))
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    canvas[top : top + height, left : left + width] = digit.round().astype(np.uint8)
    return canvas
