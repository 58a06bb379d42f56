"""How well pictures of digits come through normalisation: recognised, and called real.

    python -m benchmarks.score_pictures [--count 1000] [--seed 0] [--models models] [--picture FILE]

It draws MNIST's first test digits anew as photos, scans and screenshots (benchmarks/pen_strokes.py), normalises them
with the server's code and asks the shipped classifier and a detector what they see, beside the same digits untouched.
"""

import argparse
import io
import os
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.pen_strokes import KINDS, Picture, normalised, pen_strokes
from benchmarks.report import write_json
from digitforge.pictures.normalisation import stroke_width
from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.detector_quality import called_real
from evaluation.threads import keep_to_allowed_cores
from judge.pair import open_pair
from judge.tables import text_table
from training.data import load_data_set

NAME = "score-pictures"
SHOWN = 12  # pictures on the sheet
THUMB = 112  # pixels a side


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Recognition and scores of drawn pictures after normalisation.")
    parser.add_argument("--count", type=int, default=1000, help="pictures (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing (default: 0)")
    parser.add_argument("--models", default="models", help="model repository with the detector (default: models)")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    parser.add_argument("--picture", type=Path, help="where to draw some of them, before and after")
    options = parser.parse_args(arguments)

    keep_to_allowed_cores()
    test = load_data_set("mnist", options.data_dir).test
    originals, labels = test.images[: options.count].numpy(), test.labels[: options.count].numpy()
    pictures = pen_strokes(originals, labels, options.count, options.seed)
    began = time.process_time()
    images = normalised(pictures)
    milliseconds = (time.process_time() - began) / len(pictures) * 1000

    pair = open_pair(options.models)
    kinds = np.array([picture.kind for picture in pictures])
    rows, figures = [], {}
    everything = np.ones(len(pictures), np.bool_)
    parts = {"untouched": (originals, everything), "pictures": (images, everything)}
    parts |= {kind: (images, kinds == kind) for kind in dict.fromkeys(KINDS)}
    for name, (array, chosen) in parts.items():
        found = torch.from_numpy(array[chosen])
        _, digits = features_and_digits(shipped_classifier(), found)
        [(_, share)] = called_real(pair.scores, [(name, found)], pair.thresholds).items()
        line = {
            "recognised": float((digits.numpy() == labels[chosen]).mean()),
            "called_real": share,
            **looks(array[chosen]),
        }
        figures[name] = line
        rows.append([name, *(f"{value:.3f}" for value in line.values())])
    print(text_table(["", *figures["pictures"]], rows))
    print(f"{milliseconds:.1f} ms of one core a picture, decoding included")
    how = f"{options.count} MNIST test digits drawn anew with seed {options.seed}; detector of {pair.name}"
    print(write_json(NAME, {"figures": figures, "milliseconds": milliseconds}, how))
    if options.picture:
        sheet(pictures, images, originals).save(options.picture)
    return 0


def looks(images: NDArray[np.uint8]) -> dict[str, float]:
    """The means over images uint8[count, 28, 28] of what can be measured on them."""
    ink = images.astype(np.float32) / np.float32(255)
    mass = ink.sum(axis=(1, 2)) + 1e-9
    places = np.arange(28)
    return {
        "mean_ink": float(images.mean()),
        "stroke_width": float(np.mean([stroke_width(image) for image in ink])),
        "centre_row": float((ink.sum(axis=2) @ places / mass).mean()),
        "centre_column": float((ink.sum(axis=1) @ places / mass).mean()),
    }


def sheet(pictures: list[Picture], images: NDArray[np.uint8], originals: NDArray[np.uint8]) -> Image.Image:
    """The first pictures, under each what it was normalised to, and the MNIST digit that it was drawn from."""
    step = THUMB + 6
    drawn = Image.new("RGB", (SHOWN * step + 6, 3 * step + 6), (48, 48, 48))
    for place, (picture, after, before) in enumerate(zip(pictures[:SHOWN], images, originals, strict=False)):
        photo = Image.open(io.BytesIO(picture.data)).convert("RGBA")
        photo = Image.alpha_composite(Image.new("RGBA", photo.size, (128, 128, 128, 255)), photo)
        photo.thumbnail((THUMB, THUMB))
        left = 6 + place * step
        drawn.paste(photo.convert("RGB"), (left + (THUMB - photo.width) // 2, 6 + (THUMB - photo.height) // 2))
        for row, digit in ((1, after), (2, before)):
            drawn.paste(Image.fromarray(digit).resize((THUMB, THUMB), Image.Resampling.NEAREST), (left, 6 + row * step))
    return drawn


if __name__ == "__main__":
    raise SystemExit(main())
