"""The client's command line: `digitforge generate` and `digitforge score`, or `python -m digitforge`."""

import argparse
import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version as package_version
from pathlib import Path

import grpc
import numpy as np

from digitforge.client import PORT, DigitsClient, GeneratedDigits, Verdict
from digitforge.machine.ctrl_c import end_at_ctrl_c
from digitforge.pictures.images import contact_sheet
from digitforge.pictures.png import encode_png

OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
EXIT_CODES = "exit codes: 0 done, 1 refused or failed, 2 wrong options, 3 server not reachable, 130 interrupted"
THRESHOLD = (
    "The verdict is real where the probability reaches the model's own threshold, which need not be 0.5: "
    "make inspect shows it."
)
HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(?::([0-9]+))?")  # an IPv6 address stands in brackets
UINT32, UINT64 = 2**32 - 1, 2**64 - 1
SHEET_LIMIT = 10_000
SCALE = 2


class UsageError(Exception):
    """Options that do not go together."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options, unknown = build_parser().parse_known_args(arguments)
    if unknown:  # told by the command's own usage, where parse_args would show that of all commands
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    end_at_ctrl_c()
    try:
        with DigitsClient(options.address) as client:
            return int(options.run(client, options))
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            print(
                f"digitforge: no server at {options.address}, or it is going away ({error.details()}); "
                "start one with digitforge-serve",
                file=sys.stderr,
            )
            return UNREACHABLE
        print(f"digitforge: {error.code().name}: {error.details()}", file=sys.stderr)
        return FAILED
    except UsageError as error:
        print(f"digitforge: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"digitforge: {error}", file=sys.stderr)
        return FAILED


def generate(client: DigitsClient, options: argparse.Namespace) -> int:
    """Write generated digits as a contact sheet, an array or a file each."""
    if (options.output is None) == (options.out_dir is None):
        raise UsageError("give either -o FILE (.png: a contact sheet, .npz: an array) or --out-dir DIR (a PNG each)")
    ending = options.output.suffix.lower() if options.output else ""
    if options.output and ending not in (".png", ".npz"):
        raise UsageError(f"-o {options.output}: its ending must be .png (a contact sheet) or .npz (an array)")
    if ending == ".png" and options.n > SHEET_LIMIT:
        raise UsageError(f"-n {options.n}: a contact sheet has at most {SHEET_LIMIT} images; write .npz or --out-dir")
    check_place(options.output, options.out_dir)
    chunks = client.generate_stream(
        options.n, seed=options.seed, offset=options.offset, digit=options.digit, version=options.model_version
    )
    if options.out_dir:
        where, first = options.out_dir, write_files(chunks, options.out_dir, options.n)
    elif ending == ".npz":
        where, first = options.output, write_array(list(chunks), options.output)
    else:
        where, first = options.output, write_sheet(list(chunks), options.output)
    count = "1 image" if options.n == 1 else f"{options.n} images"
    print(f"{where}: {count}, seed {first.seed}, offset {first.offset}, version {first.version}")
    return OK


def check_place(output: Path | None, out_dir: Path | None) -> None:
    """Refuse a place that cannot be written to before anything is generated for it."""
    if output is not None:
        if output.is_dir():
            raise UsageError(f"-o {output}: it is a folder")
        if not output.parent.is_dir():
            raise UsageError(f"-o {output}: there is no folder {output.parent}")
        option, place = f"-o {output}", output if output.exists() else output.parent
    elif out_dir is not None:
        place = next(folder for folder in (out_dir, *out_dir.parents, Path()) if folder.exists())
        if not place.is_dir():
            raise UsageError(f"--out-dir {out_dir}: {place} is no folder")
        option = f"--out-dir {out_dir}"
    if not os.access(place, os.W_OK):
        raise UsageError(f"{option}: {place} cannot be written to")


def write_files(chunks: Iterator[GeneratedDigits], folder: Path, n: int) -> GeneratedDigits:
    """A 28x28 PNG each, named by its index in the seed's stream and, where there is one, its class."""
    folder.mkdir(parents=True, exist_ok=True)
    first = None
    for chunk in chunks:
        first = first or chunk
        width = len(str(first.offset + n - 1))
        for place, image in enumerate(chunk.images):
            label = "" if chunk.classes is None else f"-{chunk.classes[place]}"
            (folder / f"{chunk.offset + place:0{width}d}{label}.png").write_bytes(encode_png(image))
    assert first is not None
    return first


def write_array(chunks: list[GeneratedDigits], path: Path) -> GeneratedDigits:
    """Images uint8[n, 28, 28] and, where the model has classes, digits int64[n]."""
    arrays = {"images": np.concatenate([chunk.images for chunk in chunks])}
    if chunks[0].classes is not None:
        arrays["digits"] = np.concatenate([chunk.classes for chunk in chunks if chunk.classes is not None])
    first = chunks[0]
    with path.open("wb") as file:  # to a name, NumPy would add .npz where it ends in .NPZ
        np.savez_compressed(
            file, allow_pickle=False, seed=np.uint64(first.seed), offset=np.uint64(first.offset),
            version=first.version, **arrays,
        )  # fmt: skip
    return first


def write_sheet(chunks: list[GeneratedDigits], path: Path) -> GeneratedDigits:
    """All images on one picture: ten in a row, so that a column is a class, or a square for larger numbers."""
    images = [image for chunk in chunks for image in chunk.images]
    columns = 10 if len(images) <= 200 else 10 * round((len(images) ** 0.5) / 10)
    contact_sheet(images, columns, SCALE).save(path)
    return chunks[0]


def score(client: DigitsClient, options: argparse.Namespace) -> int:
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


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--address",
        type=address,
        default=f"localhost:{PORT}",
        metavar="HOST:PORT",
        help=f"the server's (default: localhost:{PORT})",
    )
    shared.add_argument(
        "--model-version", type=whole(0, UINT32), default=0, metavar="N", help="model version (default: 0, the newest)"
    )
    parser = argparse.ArgumentParser(prog="digitforge", description="Digits from a server.", epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"digitforge {package_version('digitforge')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("generate", parents=[shared], help="generate digits", epilog=EXIT_CODES)
    one.set_defaults(run=generate, parser=one)
    one.add_argument("-n", metavar="N", type=whole(1, UINT32), default=64, help="how many (default: 64)")
    one.add_argument(
        "--seed", metavar="N", type=whole(0, UINT64), help="the stream of images (default: the server draws one)"
    )
    one.add_argument(
        "--offset",
        type=whole(0, UINT64),
        default=0,
        metavar="N",
        help="index of the first image in the stream (default: 0)",
    )
    one.add_argument("--digit", metavar="N", type=whole(0, 9), help="0 to 9 (default: all in turn)")
    one.add_argument("-o", "--output", type=Path, metavar="FILE", help=".png: a contact sheet; .npz: an array")
    one.add_argument("--out-dir", type=Path, metavar="DIR", help="a 28x28 PNG each")

    two = commands.add_parser(
        "score",
        parents=[shared],
        help="tell real digits from generated ones",
        description=f"A line per file: the probability that it is real, and the verdict. {THRESHOLD}",
        epilog=EXIT_CODES,
    )
    two.set_defaults(run=score, parser=two)
    two.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="images; what is not 28x28 pixels is normalised"
    )
    two.add_argument("--json", action="store_true", help="a JSON object a line, with an error where a file is refused")
    return parser


def address(text: str) -> str:
    """The type of `--address`: a host and a port; without one, the server's usual port."""
    found = HOST_AND_PORT.fullmatch(text)
    if found is None or not 1 <= int(found[2] or PORT) <= 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address: one is HOST:PORT, such as localhost:{PORT} or [::1]:{PORT}"
        )
    return f"{found[1]}:{found[2] or PORT}"


def whole(first: int, last: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from `first` to `last`, such as the message's field can hold."""

    def parse(text: str) -> int:
        with suppress(ValueError):
            if first <= (value := int(text)) <= last:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {first} to {last}")

    return parse
