"""`digitforge generate`: digits as a contact sheet, an array, or a file each."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from digitforge.client import Client
from digitforge.commands.options import (
    OK,
    UINT32,
    UINT64,
    UsageError,
    add_model_version,
    check_folder,
    check_writable,
    whole,
)
from digitforge.machine.whole_file import naming, whole_file, write_whole
from digitforge.messages import GeneratedDigits, Model, joined
from digitforge.pictures.images import contact_sheet
from digitforge.pictures.png import encode_png

DOES, TELLS = "generate digits", None
SHEET_LIMIT = 10_000
SCALE = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    add_model_version(parser)
    parser.add_argument("-n", metavar="N", type=whole(1, UINT32), default=64, help="how many (default: 64)")
    parser.add_argument(
        "--seed", metavar="N", type=whole(0, UINT64), help="the stream of images (default: one is drawn)"
    )
    parser.add_argument(
        "--offset",
        type=whole(0, UINT64),
        default=0,
        metavar="N",
        help="index of the first image in the stream (default: 0)",
    )
    parser.add_argument(
        "--digit",
        metavar="CLASS",
        type=class_of,
        help="0 to 9, or a class by its name, as `digitforge models` tells them (default: all in turn)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=".png: a contact sheet; .npz: an array")
    parser.add_argument("--out-dir", type=Path, metavar="DIR", help="a 28x28 PNG each")


def run(client: Client, options: argparse.Namespace) -> int:
    """Write generated digits as a contact sheet, an array or a file each."""
    if (options.output is None) == (options.out_dir is None):
        raise UsageError("give either -o FILE (.png: a contact sheet, .npz: an array) or --out-dir DIR (a PNG each)")
    ending = options.output.suffix.lower() if options.output else ""
    if options.output and ending not in (".png", ".npz"):
        raise UsageError(f"-o {options.output}: its ending must be .png (a contact sheet) or .npz (an array)")
    if ending == ".png" and options.n > SHEET_LIMIT:
        raise UsageError(f"-n {options.n}: a contact sheet has at most {SHEET_LIMIT} images; write .npz or --out-dir")
    if options.output:
        check_file(options.output)
    else:
        check_folder("--out-dir", options.out_dir)
    digit = options.digit
    if isinstance(digit, str):
        digit = number_of(digit, client.models(), options.model_version)
    chunks = client.generate_stream(
        options.n, seed=options.seed, offset=options.offset, digit=digit, version=options.model_version
    )
    if options.out_dir:
        where, first = options.out_dir, write_files(chunks, options.out_dir, options.n)
    elif ending == ".npz":
        where, first = options.output, write_array(joined(list(chunks)), options.output)
    else:
        where, first = options.output, write_sheet(joined(list(chunks)), options.output)
    count = "1 image" if options.n == 1 else f"{options.n} images"
    print(f"{where}: {count}, seed {first.seed}, offset {first.offset}, version {first.version}")
    return OK


def check_file(output: Path) -> None:
    """Refuse a file that cannot be written, which is done beside it, before anything is generated for it."""
    if output.is_dir():
        raise UsageError(f"-o {output}: it is a folder")
    if not output.parent.is_dir():
        raise UsageError(f"-o {output}: there is no folder {output.parent}")
    check_writable("-o", output, output.parent)


def class_of(text: str) -> int | str:
    """The type of `--digit`: a number is a class's, anything else its name."""
    try:
        int(text)
    except ValueError:
        return text
    return whole(0, 9)(text)


def number_of(name: str, models: Sequence[Model], version: int) -> int:
    """The number of a class of a model version; 0 is the default.

    Raises:
        UsageError: The version has no such class, or is not served.
    """
    model = next((model for model in models if (model.version == version if version else model.is_default)), None)
    if model is None:
        raise UsageError(f"--digit {name}: version {version} is not served")
    if name not in model.class_names:
        known = ", ".join(model.class_names) or "none"
        raise UsageError(f"--digit {name}: version {model.version} has no such class; its classes: {known}")
    return model.class_names.index(name)


def write_files(chunks: Iterator[GeneratedDigits], folder: Path, n: int) -> GeneratedDigits:
    """A 28x28 PNG each, named by its index in the seed's stream and, where there is one, its class."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    first = None
    for chunk in chunks:
        first = first or chunk
        width = len(str(first.offset + n - 1))
        for place, image in enumerate(chunk.images):
            label = "" if chunk.classes is None else f"-{chunk.classes[place]}"
            write_whole(folder / f"{chunk.offset + place:0{width}d}{label}.png", encode_png(image), sync=False)
    assert first is not None
    return first


def write_array(digits: GeneratedDigits, path: Path) -> GeneratedDigits:
    """Images uint8[n, 28, 28] and, where the model has classes, digits int64[n]."""
    arrays = {"images": digits.images} | ({"digits": digits.classes} if digits.classes is not None else {})
    with whole_file(path) as file:
        np.savez_compressed(
            file, allow_pickle=False, seed=np.uint64(digits.seed), offset=np.uint64(digits.offset),
            version=digits.version, **arrays,
        )  # fmt: skip
    return digits


def write_sheet(digits: GeneratedDigits, path: Path) -> GeneratedDigits:
    """All images on one picture: ten in a row, so that a column is a class, or a square for larger numbers."""
    count = len(digits.images)
    columns = 10 if count <= 200 else 10 * round((count**0.5) / 10)
    with whole_file(path) as file:
        contact_sheet(list(digits.images), columns, SCALE).save(file, "PNG")
    return digits
