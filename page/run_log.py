"""What a run of the trainer has written so far, read while it writes: docs/training.md and training/run_folder.py."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """Something that happened in a run.

    Attributes:
        kind: `metrics`, a reading; `word`, what the trainer saw or did; `rewound`, the run goes on from an earlier
            point; `sheet`, there is another preview; `ended`.
        what: Its values.
    """

    kind: str
    what: dict[str, Any]


class RunLog:
    """Reads a run's folder again and again.

    Args:
        folder: The run's, which may not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self._metrics, self._sheets = folder / "metrics.jsonl", folder / "sheets"
        self._lines: list[bytes] = []
        self._file: int | None = None
        self._read = 0
        self._sheet: Path | None = None

    @property
    def sheet(self) -> Path | None:
        """The newest sheet of digits from the same latents, a PNG; None before the first."""
        numbered = [path for path in self._sheets.glob("*.png") if path.stem.isdigit()] if self._sheets.is_dir() else []
        return max(numbered, default=None)

    def news(self) -> list[Entry]:
        """What was written since the last call, in order."""
        news = self._new_lines()
        if (sheet := self.sheet) != self._sheet and sheet is not None:
            self._sheet = sheet
            news.append(Entry("sheet", {"number": int(sheet.stem)}))
        return news

    def _new_lines(self) -> list[Entry]:
        try:
            with self._metrics.open("rb") as file:
                number = os.fstat(file.fileno()).st_ino
                is_same = number == self._file
                file.seek(self._read if is_same else 0)
                written = file.read()
        except FileNotFoundError:
            return []
        whole = written[: written.rfind(b"\n") + 1]  # the last line may be half written
        lines = whole.splitlines()
        news = []
        if not is_same:  # the run was set back: its file was written anew, up to where it goes on
            kept = 0
            for before, now in zip(self._lines, lines, strict=False):
                if before != now:
                    break
                kept += 1
            if kept < len(self._lines):
                news.append(Entry("rewound", {"images": _images(self._lines[kept - 1]) if kept else 0}))
            self._lines, lines, self._read = self._lines[:kept], lines[kept:], 0
        self._file = number
        self._read += len(whole)
        self._lines += lines
        return news + [_entry(line) for line in lines]


def _images(line: bytes) -> int:
    return int(json.loads(line)["images"])


def _entry(line: bytes) -> Entry:
    what = json.loads(line)
    return Entry("word" if "event" in what else "metrics", what)
