"""The client's command line: `digitforge generate` and `digitforge score`, or `python -m serving.cli`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import grpc
import numpy as np

from serving.client import DigitsClient, GeneratedDigits
from serving.images import contact_sheet
from serving.png import encode_png

OK, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = "exit codes: 0 done, 1 refused or failed, 2 wrong options, 3 server not reachable, 130 interrupted"
UINT32, UINT64 = 2**32 - 1, 2**64 - 1
SHEET_LIMIT = 10_000
SCALE = 2


class UsageError(Exception):
    """Options that do not go together."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = build_parser().parse_args(arguments)
    try:
        with DigitsClient(options.address) as client:
            return int(options.run(client, options))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
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
    if options.output and options.output.suffix not in (".png", ".npz"):
        raise UsageError(f"-o {options.output}: its ending must be .png (a contact sheet) or .npz (an array)")
    if options.output and options.output.suffix == ".png" and options.n > SHEET_LIMIT:
        raise UsageError(f"-n {options.n}: a contact sheet has at most {SHEET_LIMIT} images; write .npz or --out-dir")
    chunks = client.generate_stream(
        options.n, seed=options.seed, offset=options.offset, digit=options.digit, version=options.model_version
    )
    if options.out_dir:
        where, first = options.out_dir, write_files(chunks, options.out_dir, options.n)
    elif options.output.suffix == ".npz":
        where, first = options.output, write_array(list(chunks), options.output)
    else:
        where, first = options.output, write_sheet(list(chunks), options.output)
    print(f"{where}: {options.n} images, seed {first.seed}, offset {first.offset}, version {first.version}")
    return OK


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
    np.savez_compressed(
        path, allow_pickle=False, seed=np.uint64(first.seed), offset=np.uint64(first.offset), version=first.version,
        **arrays,
    )  # fmt: skip
    return first


def write_sheet(chunks: list[GeneratedDigits], path: Path) -> GeneratedDigits:
    """All images on one picture: ten in a row, so that a column is a class, or a square for larger numbers."""
    images = [image for chunk in chunks for image in chunk.images]
    columns = 10 if len(images) <= 200 else 10 * round((len(images) ** 0.5) / 10)
    contact_sheet(images, columns, SCALE).save(path)
    return chunks[0]


def score(client: DigitsClient, options: argparse.Namespace) -> int:
    """Print a line per file: the probability that it is real, the verdict, and whether the picture was normalised."""
    failed = False
    readable: list[Path] = []

    def contents() -> Iterator[bytes]:
        nonlocal failed
        for path in options.files:
            try:
                data = path.read_bytes()
            except OSError as error:
                failed = True
                print(f"digitforge: {path}: {error.strerror}", file=sys.stderr)
                continue
            readable.append(path)
            yield data

    for index, verdict in enumerate(client.score_stream(contents(), version=options.model_version)):
        path = readable[index]
        if verdict.error:
            failed = True
            print(f"digitforge: {path}: {verdict.error}", file=sys.stderr)
        elif options.json:
            line = {"file": str(path)} | asdict(verdict)
            del line["error"]
            print(json.dumps(line), flush=True)
        else:
            note = "  (normalised)" if verdict.normalised else ""
            word = "real" if verdict.real else "generated"
            print(f"{verdict.real_probability:.4f}  {word:9}  {path}{note}", flush=True)
    return FAILED if failed else OK


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--address", default="localhost:50051", help="the server's (default: localhost:50051)")
    shared.add_argument(
        "--model-version", type=whole(0, UINT32), default=0, metavar="N", help="model version (default: 0, the newest)"
    )
    parser = argparse.ArgumentParser(prog="digitforge", description="Digits from a server.", epilog=EXIT_CODES)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("generate", parents=[shared], help="generate digits", epilog=EXIT_CODES)
    one.set_defaults(run=generate)
    one.add_argument("-n", type=whole(1, UINT32), default=64, help="how many (default: 64)")
    one.add_argument("--seed", type=whole(0, UINT64), help="the stream of images (default: the server draws one)")
    one.add_argument(
        "--offset", type=whole(0, UINT64), default=0, help="index of the first image in the stream (default: 0)"
    )
    one.add_argument("--digit", type=whole(0, 9), help="0 to 9 (default: all in turn)")
    one.add_argument("-o", "--output", type=Path, metavar="FILE", help=".png: a contact sheet; .npz: an array")
    one.add_argument("--out-dir", type=Path, metavar="DIR", help="a 28x28 PNG each")

    two = commands.add_parser("score", parents=[shared], help="tell real digits from generated ones", epilog=EXIT_CODES)
    two.set_defaults(run=score)
    two.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="images; what is not 28x28 pixels is normalised"
    )
    two.add_argument("--json", action="store_true", help="a JSON object a line")
    return parser


def whole(first: int, last: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from `first` to `last`, such as the message's field can hold."""

    def parse(text: str) -> int:
        with suppress(ValueError):
            if first <= (value := int(text)) <= last:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {first} to {last}")

    return parse


if __name__ == "__main__":
    sys.exit(main())
