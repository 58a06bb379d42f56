"""How the detector takes what strangers send: their pictures and fakes, and our own digits as files of many kinds.

    python -m benchmarks.score_strangers PICTURES [--models models] [--count 200]

PICTURES is a folder with `index.tsv` (file, kind and label of each picture; a picture's maker is the number that its
name begins with), `fakes28.npz` (images uint8[n, 28, 28] and the kind of each) and `usps16.npz` (images
uint8[n, 16, 16] and digits). It is reported on, and nothing is trained or chosen by it. Each row tells what came of its
pictures through the server's own code; of fewer than 100, in numbers with a 95% interval.
"""

import argparse
import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.file_kinds import FILE_KINDS
from benchmarks.pen_strokes import pen_strokes
from benchmarks.report import write_json
from digitforge.pictures.decoded import Decoded, Found
from digitforge.pictures.files import prepare_file
from digitforge.pictures.images import decode_file
from digitforge.pictures.png import encode_png
from digitforge.verdict import Verdict
from evaluation.classifier import features_and_digits, shipped_classifier
from evaluation.quality import detector_auroc
from evaluation.threads import keep_to_allowed_cores
from judge.pair import open_pair
from judge.tables import text_table
from serving.digits.verdicts import Seen as Answer
from serving.digits.verdicts import Thresholds, verdict
from serving.engine.device import CPU
from serving.engine.runner import Runner
from serving.repository.model_repository import DISCRIMINATOR, ModelMetadata, complete_versions, model_path
from training.data import load_data_set

NAME = "score-strangers"
FEW = 100  # pictures: below, a share is given as a count with its interval
Z = 1.96  # of a normal distribution's 95%
VERDICTS = {  # by the titles of their columns
    "real": Verdict.REAL_DIGIT,
    "generated": Verdict.GENERATED,
    "not one digit": Verdict.NOT_ONE_DIGIT,
    "nothing found": Verdict.NOTHING_FOUND,
}
SIZES = (27, 28, 29)
PHOTOS_REDUCED = "strangers' photos, reduced to 27, 28 and 29 pixels"
CLOSE = 0.05  # of real_probability


@dataclass(frozen=True)
class Seen:
    """What came of some pictures.

    Attributes:
        verdicts: object[n], the server's.
        real: float32[n], the probability that it is a real digit.
        digits: int64[n], what the shipped classifier takes it for.
    """

    verdicts: NDArray[np.object_]
    real: NDArray[np.float32]
    digits: NDArray[np.int64]


class Detector:
    """The newest detector of a model repository, and evaluation's classifier beside it."""

    def __init__(self, repository: Path) -> None:
        path = model_path(repository, DISCRIMINATOR, max(complete_versions(repository)), "fp32")
        self._runner = Runner(path, CPU, 1, [], False)
        metadata = ModelMetadata.read(self._runner.properties, path)
        self._thresholds = Thresholds(metadata.threshold, metadata.one_digit_threshold)
        self._classifier = shipped_classifier()

    def see(self, decoded: Sequence[Decoded]) -> Seen:
        """What it says, and what the server makes of that."""
        images = np.stack([one.pixels for one in decoded])
        parts = [self._runner.run({"images": images[start : start + 500]}) for start in range(0, len(images), 500)]
        real = np.concatenate([part["real_probability"] for part in parts]).ravel()
        one_digit: list[float | None] = [None] * len(decoded)
        if "one_digit_probability" in parts[0]:
            one_digit = np.concatenate([part["one_digit_probability"] for part in parts]).ravel().tolist()
        verdicts = [
            Verdict.NOTHING_FOUND
            if image.found is Found.NOTHING
            else verdict(image.found, Answer(probability, one_digit_probability=one), self._thresholds)
            for image, probability, one in zip(decoded, real.tolist(), one_digit, strict=True)
        ]
        _, digits = features_and_digits(self._classifier, torch.from_numpy(images))
        return Seen(np.array(verdicts, object), real, digits.numpy())


class Table:
    """The rows, printed as they come."""

    def __init__(self, detector: Detector, against: NDArray[np.float32]) -> None:
        self._detector = detector
        self._against = against  # float32[n]: real_probability of real test digits
        self.rows: dict[str, dict[str, float]] = {}

    def add(
        self,
        name: str,
        decoded: Sequence[Decoded],
        labels: Sequence[int | None] | None = None,
        fakes: bool = False,
    ) -> Seen:
        """A row: the shares of the verdicts, of digits recognised, and how well fakes are told from real digits."""
        seen = self._detector.see(decoded)
        count = len(decoded)
        row: dict[str, float] = {"pictures": count}
        row |= {title: float((seen.verdicts == meant).mean()) for title, meant in VERDICTS.items()}
        known = [place for place, label in enumerate(labels or ()) if label is not None]
        if labels and known:
            row["recognised"] = float(np.mean([seen.digits[place] == labels[place] for place in known]))
        if fakes:
            row["auroc"] = detector_auroc(torch.from_numpy(self._against), torch.from_numpy(seen.real))
        self.rows[name] = row
        shares = [shown(row[title], count) for title in VERDICTS]
        recognised = shown(row["recognised"], len(known)) if "recognised" in row else ""
        print(f"{name:44} {count:5}  " + " ".join(f"{share:>19}" for share in (*shares, recognised)), end="  ")
        print(f"{row['auroc']:.4f}" if fakes else "", flush=True)
        return seen


def main(arguments: list[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    keep_to_allowed_cores()
    detector = Detector(options.models)
    test = load_data_set("mnist", options.data_dir).test
    real, labels = test.images[: options.count].numpy(), test.labels[: options.count].tolist()
    fakes = open_pair(str(options.models)).images(options.count)[0].numpy()
    untouched = detector.see([as_it_is(image) for image in test.images.numpy()])
    table = Table(detector, untouched.real)
    print(f"{'':44} {'':5}  " + " ".join(f"{title:>19}" for title in (*VERDICTS, "recognised")) + "  AUROC")
    strangers(table, options.pictures)
    our_own(table, real, labels, fakes)
    close = closeness(detector, real, labels, fakes) | {
        PHOTOS_REDUCED: reduced_alike(detector, photos_of(options.pictures))
    }
    print(text_table(["what", "within 0.05"], [[name, f"{share:.3f}"] for name, share in close.items()]))
    figures = {"rows": table.rows, "close": close}
    how = f"{options.pictures.name}, {options.count} of our own; detector of {options.models}"
    print(write_json(NAME, figures, how))
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.score_strangers", description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="folder with index.tsv, fakes28.npz and usps16.npz")
    parser.add_argument("--models", type=Path, default=Path("models"), help="model repository (default: models)")
    parser.add_argument("--count", type=int, default=200, help="of our own digits and fakes a row (default: 200)")
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"))
    return parser


def strangers(table: Table, folder: Path) -> None:
    """The rows of what others made."""
    entries = entries_of(folder)
    for entry in entries:
        name = Path(entry["file"])
        entry["set"], entry["maker"] = str(name.parent), name.name.partition("_")[0]
    for keys in (("set",), ("set", "kind"), ("set", "maker")):
        entries.sort(key=lambda entry: [entry[key] for key in keys])
        for group, some in groupby(entries, key=lambda entry: [entry[key] for key in keys]):
            chosen = list(some)
            decoded = [decode_file(prepare_file((folder / entry["file"]).read_bytes())) for entry in chosen]
            one_digit = chosen[0]["set"] == "real"
            digits = [int(entry["label"]) if one_digit and entry["label"].isdecimal() else None for entry in chosen]
            table.add(": ".join(group), decoded, digits)
    with np.load(folder / "usps16.npz") as usps:
        table.add("USPS, 16x16", [decode_file(encode_png(image)) for image in usps["images"]], usps["digits"].tolist())
    with np.load(folder / "fakes28.npz") as made:
        images, kinds = made["images"], made["kind"]
    for kind in np.unique(kinds):
        as_files = [decode_file(encode_png(image)) for image in images[kinds == kind]]
        table.add(f"fakes: {kind}", as_files, fakes=True)


def entries_of(folder: Path) -> list[dict[str, str]]:
    """What the folder's index tells of each picture: its file, kind and label."""
    with (folder / "index.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def our_own(table: Table, real: NDArray[np.uint8], labels: list[int], fakes: NDArray[np.uint8]) -> None:
    """The rows of MNIST's test digits and of generated ones, as files of many kinds and drawn anew."""
    for name, as_file in FILE_KINDS.items():
        table.add(f"MNIST, {name}", [decode_file(as_file(image)) for image in real], labels)
        table.add(f"generated, {name}", [decode_file(as_file(image)) for image in fakes], fakes=True)
    for scene in ("page", "tight", "nearly tight", "desk", "ruled", "squared", "two"):
        pictures = pen_strokes(real, np.array(labels), len(real), 0, scene)
        known = labels if scene != "two" else None
        table.add(f"drawn, {scene}", [decode_file(picture.data) for picture in pictures], known)


def closeness(
    detector: Detector, real: NDArray[np.uint8], labels: list[int], fakes: NDArray[np.uint8]
) -> dict[str, float]:
    """Shares of pictures whose probabilities hardly differ: as a file and as raw pixels, and at neighbouring sizes."""
    shares = {}
    for name, images in (("MNIST as files", real), ("generated as files", fakes)):
        raw = detector.see([as_it_is(image) for image in images]).real
        files = detector.see([decode_file(encode_png(image)) for image in images]).real
        shares[name] = float((np.abs(raw - files) < CLOSE).mean())
    drawn = [picture.data for picture in pen_strokes(real, np.array(labels), len(real), 0)]
    return shares | {"digits drawn anew, reduced to 27, 28 and 29 pixels": reduced_alike(detector, drawn)}


def photos_of(folder: Path) -> list[bytes]:
    """Strangers' photos and scans of one digit."""
    return [
        prepare_file((folder / entry["file"]).read_bytes())
        for entry in entries_of(folder)
        if entry["file"].startswith("real/") and entry["kind"].startswith("photo")
    ]


def reduced_alike(detector: Detector, photos: Sequence[bytes]) -> float:
    """The share of photos whose probabilities hardly differ between three sizes of about 28 pixels."""
    reduced = [detector.see([decode_file(small_file(photo, side)) for photo in photos]).real for side in SIZES]
    return float((np.ptp(reduced, axis=0) < CLOSE).mean())


def as_it_is(image: NDArray[np.uint8]) -> Decoded:
    """An image uint8[28, 28] that nothing is done to."""
    return Decoded(image, normalised=False, found=Found.ONE)


def small_file(photo: bytes, side: int) -> bytes:
    """A picture file reduced to so many pixels a side."""
    image = Image.open(io.BytesIO(photo)).convert("L")
    return encode_png(np.asarray(image.resize((side, side), Image.Resampling.BOX)))


def shown(share: float, count: int) -> str:
    """A share; of few, as a count with Wilson's interval (1927)."""
    if count >= FEW or not count:
        return f"{share:.3f}"
    centre, spread = (share + Z**2 / (2 * count)) / (1 + Z**2 / count), Z / (1 + Z**2 / count)
    spread *= (share * (1 - share) / count + Z**2 / (4 * count**2)) ** 0.5
    return f"{round(share * count)}/{count} [{max(0, centre - spread):.2f}-{min(1, centre + spread):.2f}]"


if __name__ == "__main__":
    raise SystemExit(main())
