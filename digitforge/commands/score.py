"""`digitforge score`: a line for each file, whether it is a real digit, and which."""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from digitforge.client import Client
from digitforge.commands.options import FAILED, OK, add_model_version, check_folder
from digitforge.messages import Score
from digitforge.pictures.png import encode_png
from digitforge.verdict import Verdict

DOES = "tell real digits from generated ones, and from what is no digit"
TELLS = (
    "A line per file: the probability that it is real, the verdict (real digit, generated, not one digit or nothing "
    "found), and of a digit the one that it is taken for, with the probability of that. Each test of the verdict is at "
    "the model's own threshold, which need not be 0.5: digitforge models shows them."
)
VERDICT_WIDTH = max(map(len, Verdict))
DIGIT_WIDTH = len("0 (0.000)")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_model_version(parser)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="images of any size, which are normalised, or raw pixels"
    )
    parser.add_argument(
        "--json", action="store_true", help="a JSON object a line, with an error where a file is refused"
    )
    parser.add_argument(
        "--save-scored",
        type=Path,
        metavar="DIR",
        help="write what was scored of each file, a PNG of 28x28 named by the file and its place among them",
    )


def run(client: Client, options: argparse.Namespace) -> int:
    """Print a line per file, in order, and write what was scored of each where that is asked for."""
    if options.save_scored is not None:
        check_folder("--save-scored", options.save_scored)
        options.save_scored.mkdir(parents=True, exist_ok=True)
    code = OK
    ahead: deque[tuple[int, Path, str | None]] = deque()  # files whose answer is due, and why one could not be read

    def contents() -> Iterator[bytes]:
        for place, path in enumerate(options.files):
            try:
                data = path.read_bytes()
            except OSError as error:
                ahead.append((place, path, error.strerror))
            else:
                ahead.append((place, path, None))
                yield data

    def tell_unread() -> None:
        nonlocal code
        while ahead and (problem := ahead[0][2]) is not None:
            code = FAILED
            tell_refusal(ahead.popleft()[1], problem, options.json)

    return_image = options.save_scored is not None
    for score in client.score_stream(contents(), version=options.model_version, return_image=return_image):
        tell_unread()
        place, path, _ = ahead.popleft()
        if score.error is not None:
            code = FAILED
            tell_refusal(path, score.error, options.json)
            continue
        if return_image:
            save_scored(score, options.save_scored / f"{place:0{len(str(len(options.files) - 1))}d}-{path.stem}.png")
        tell_score(path, score, options.json)
    tell_unread()
    return code


def tell_refusal(path: Path, problem: str, as_json: bool) -> None:
    """A file that has no score."""
    if as_json:
        print(json.dumps({"file": str(path), "error": problem}), flush=True)
    else:
        print(f"digitforge: {path}: {problem}", file=sys.stderr)


def tell_score(path: Path, score: Score, as_json: bool) -> None:
    """A file's score."""
    if as_json:
        line = {"file": str(path)} | asdict(score)
        del line["error"], line["scored_image"]
        print(json.dumps(line), flush=True)
        return
    digit = ""
    if score.verdict in (Verdict.REAL_DIGIT, Verdict.GENERATED) and score.digit is not None:
        digit = f"{score.digit} ({score.digit_probability:.3f})"
    note = "  (normalised)" if score.normalised else ""
    print(
        f"{score.real_probability:.4f}  {score.verdict:{VERDICT_WIDTH}}  {digit:{DIGIT_WIDTH}}  {path}{note}",
        flush=True,
    )


def save_scored(score: Score, path: Path) -> None:
    """What was scored, as a PNG."""
    if score.scored_image is None:
        raise OSError(f"{path} cannot be written: the server does not tell what it scored")
    path.write_bytes(encode_png(score.scored_image))
