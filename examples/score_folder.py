"""Score every picture in a folder and below, as CSV on standard output.

python examples/score_folder.py FOLDER [HOST:PORT] > scores.csv
"""

import csv
import sys
from pathlib import Path

from digitforge import Client

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"}


def main(folder: str, address: str | None = None) -> None:
    """Write a line per picture; one that the server refuses has its reason in the last column."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in ENDINGS)
    table = csv.writer(sys.stdout)
    table.writerow(["file", "verdict", "real_probability", "digit", "digit_probability", "normalised", "error"])
    with Client(address) as client:
        # Read as they are sent: no more of them are in memory than are on their way.
        scores = client.score_stream(path.read_bytes() for path in paths)
        for path, score in zip(paths, scores, strict=True):
            if score.error:
                table.writerow([path, *[""] * 5, score.error])
                continue
            probabilities = ["" if p is None else f"{p:.6f}" for p in (score.real_probability, score.digit_probability)]
            table.writerow([path, score.verdict, probabilities[0], score.digit, probabilities[1], score.normalised, ""])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
