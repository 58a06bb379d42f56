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
    table.writerow(["file", "real_probability", "real", "normalised", "error"])
    with Client(address) as client:
        # Read as they are sent: no more of them are in memory than are on their way.
        verdicts = client.score_stream(path.read_bytes() for path in paths)
        for path, verdict in zip(paths, verdicts, strict=True):
            if verdict.error:
                table.writerow([path, "", "", "", verdict.error])
            else:
                table.writerow([path, f"{verdict.real_probability:.6f}", verdict.real, verdict.normalised, ""])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
