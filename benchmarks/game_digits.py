"""Real digits for the page's game: 300 of MNIST's test set, 30 of each class, as one sheet that the page ships.

    python -m benchmarks.game_digits --data-dir data

MNIST (LeCun, Cortes and Burges) is made available under the Creative Commons Attribution-ShareAlike 3.0 licence. No
model here has learned from its test set, so that the detector plays against digits that are new to it as well.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.data import load_data_set

SHEET = Path(__file__).parents[1] / "page/static/game/real.png"
CLASSES, EACH, COLUMNS = 10, 30, 20
SEED = 7


def chosen(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n] -> int64[300]: which digits, by chance, the classes in turn as the generator's stream has them."""
    draw = np.random.default_rng(SEED)
    by_class = [draw.choice(np.flatnonzero(classes == digit), EACH, replace=False) for digit in range(CLASSES)]
    return np.stack(by_class, axis=1).reshape(-1)


def sheet(images: NDArray[np.uint8]) -> Image.Image:
    """uint8[n, 28, 28] -> one picture, 20 digits in a row, without borders."""
    rows = images.reshape(-1, COLUMNS, 28, 28)
    return Image.fromarray(rows.transpose(0, 2, 1, 3).reshape(-1, COLUMNS * 28))


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="benchmarks.game_digits", description="The real digits of the page's game.")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where MNIST is (default: data)")
    return parser


def main() -> None:
    """Write the sheet."""
    options = build_parser().parse_args()
    test = load_data_set("mnist", options.data_dir).test
    which = chosen(test.labels.numpy())
    SHEET.parent.mkdir(exist_ok=True)
    sheet(test.images.numpy()[which].reshape(-1, 28, 28)).save(SHEET, optimize=True)
    print(f"{SHEET}: {len(which)} digits, {SHEET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
