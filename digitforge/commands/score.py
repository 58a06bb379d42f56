"""`digitforge score`: a line for each file, whether it is a real digit."""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from digitforge.client import Client
from digitforge.commands.options import FAILED, OK, add_model_version
from digitforge.messages import Verdict

DOES = "tell real digits from generated ones"
TELLS = (
    "A line per file: the probability that it is real, and the verdict. The verdict is real where the probability "
    "reaches the model's own threshold, which need not be 0.5: digitforge models shows it."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_model_version(parser)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="images; what is not 28x28 pixels is normalised"
    )
    parser.add_argument(
        "--json", action="store_true", help="a JSON object a line, with an error where a file is refused"
    )


def run(client: Client, options: argparse.Namespace) -> int:
    """Print a line per file, in order: the probability that it is real, the verdict, and whether it was normalised."""
    code = OK
    ahead: deque[tuple[Path, str | None]] = deque()  # files whose answer is due, and why one could not be read

    def contents() -> Iterator[bytes]:
        for path in options.files:
            try:
                data = path.read_bytes()
            except OSError as error:
                ahead.append((path, error.strerror))
            else:
                ahead.append((path, None))
                yield data

    def tell_unread() -> None:
        nonlocal code
        while ahead and (problem := ahead[0][1]) is not None:
            code = FAILED
            tell_refusal(ahead.popleft()[0], problem, options.json)

    for verdict in client.score_stream(contents(), version=options.model_version):
        tell_unread()
        path, _ = ahead.popleft()
        if verdict.error is not None:
            code = FAILED
            tell_refusal(path, verdict.error, options.json)
        else:
            tell_verdict(path, verdict, options.json)
    tell_unread()
    return code


def tell_refusal(path: Path, problem: str, as_json: bool) -> None:
    """A file that has no score."""
    if as_json:
        print(json.dumps({"file": str(path), "error": problem}), flush=True)
    else:
        print(f"digitforge: {path}: {problem}", file=sys.stderr)


def tell_verdict(path: Path, verdict: Verdict, as_json: bool) -> None:
    """A file's score."""
    if as_json:
        line = {"file": str(path)} | asdict(verdict)
        del line["error"]
        print(json.dumps(line), flush=True)
    else:
        note = "  (normalised)" if verdict.normalised else ""
        word = "real" if verdict.real else "generated"
        print(f"{verdict.real_probability:.4f}  {word:9}  {path}{note}", flush=True)
