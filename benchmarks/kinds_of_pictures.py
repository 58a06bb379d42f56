"""The picture in docs/scoring.md of what normalisation and the shipped detector make of pages that are hard to read.

    python -m benchmarks.kinds_of_pictures [--data-dir data] [--models models]

MNIST's first test digits, drawn anew on ruled and squared paper, on a desk, and in ink as bright as its paper;
under each what it is normalised to, and what the detector says of that.
"""

import argparse
import io
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.pen_strokes import normalised, pen_strokes
from digitforge.pictures.decoded import Found
from digitforge.verdict import Verdict
from judge.pair import EvaluatedPair, open_pair
from serving.digits.verdicts import Seen, Thresholds, verdict
from training.data import load_data_set

OUT = Path("docs/images/kinds-of-pictures.webp")
SCENES = ("ruled", "squared", "desk", "coloured")
COUNT = 12  # digits of each
SEED = 0
QUALITY = 75  # of WebP
SIDE, GAP, LINE = 112, 6, 22  # pixels: of a picture, around it, and of what is said of it
GROUND, REAL, REFUSED = (48, 48, 48), (235, 235, 235), (255, 150, 140)


def main(arguments: list[str] | None = None) -> int:
    """Draw it."""
    options = build_parser().parse_args(arguments)
    test = load_data_set("mnist", options.data_dir).test
    pair = open_pair(options.models)
    drawn = Image.new("RGB", (COUNT * (SIDE + GAP) + GAP, len(SCENES) * row_height() + GAP), GROUND)
    for row, scene in enumerate(SCENES):
        pictures = pen_strokes(test.images[:COUNT].numpy(), test.labels[:COUNT].numpy(), COUNT, SEED, scene)
        images = normalised(pictures)
        for column, (picture, image, said) in enumerate(zip(pictures, images, verdicts(pair, images), strict=True)):
            show(drawn, (GAP + column * (SIDE + GAP), GAP + row * row_height()), picture.data, image, said)
    drawn.save(options.out, quality=QUALITY, method=6)
    print(f"{options.out}: the detector is {pair.name}'s")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinds_of_pictures", description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    parser.add_argument("--models", default="models", help="model repository with the detector (default: models)")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where to write (default: {OUT})")
    return parser


def row_height() -> int:
    """Pixels that a scene takes."""
    return 2 * (SIDE + GAP) + LINE


def verdicts(pair: EvaluatedPair, images: NDArray[np.uint8]) -> list[tuple[str, bool]]:
    """What the detector says of each of uint8[n, 28, 28], and whether it calls it a real digit."""
    scores = pair.scores(torch.from_numpy(images))
    real = scores.real.sigmoid()
    shown = [None] * len(images) if scores.one_digit is None else scores.one_digit.tolist()
    digits = ["?"] * len(images) if scores.digits is None else [str(int(digit)) for digit in scores.digits]
    thresholds = Thresholds(pair.thresholds.real, pair.thresholds.one_digit)
    said = []
    for digit, share, one in zip(digits, real.tolist(), shown, strict=True):
        found = verdict(Found.ONE, Seen(share, one_digit_probability=one), thresholds)
        words = {
            Verdict.NOT_ONE_DIGIT: "not one digit",
            Verdict.GENERATED: f"{digit}, generated",
            Verdict.REAL_DIGIT: f"{digit}, real {share:.0%}",
        }
        said.append((words[found], found is Verdict.REAL_DIGIT))
    return said


def show(
    drawn: Image.Image, place: tuple[int, int], file: bytes, image: NDArray[np.uint8], said: tuple[str, bool]
) -> None:
    """A picture, under it what it was normalised to uint8[28, 28], and what was said of that."""
    photo = Image.open(io.BytesIO(file)).convert("RGBA")
    photo = Image.alpha_composite(Image.new("RGBA", photo.size, (128, 128, 128, 255)), photo)
    photo.thumbnail((SIDE, SIDE))
    left, top = place
    drawn.paste(photo.convert("RGB"), (left + (SIDE - photo.width) // 2, top + (SIDE - photo.height) // 2))
    top += SIDE + GAP
    drawn.paste(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.NEAREST), (left, top))
    words, is_real = said
    middle = (left + SIDE // 2, top + SIDE + LINE // 2)
    ImageDraw.Draw(drawn).text(middle, words, REAL if is_real else REFUSED, ImageFont.load_default(14), anchor="mm")


if __name__ == "__main__":
    raise SystemExit(main())
