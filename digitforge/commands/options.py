"""What the commands share: exit codes, options, and the types of options."""

import argparse
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from digitforge.addresses import PORT, parse_address
from digitforge.connection import ADDRESS_VARIABLE, TIMEOUT_S, TIMEOUT_VARIABLE, parse_timeout

OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
UINT32, UINT64 = 2**32 - 1, 2**64 - 1


class UsageError(Exception):
    """Options that do not go together."""


def add_server(parser: argparse.ArgumentParser) -> None:
    """Which server."""
    parser.add_argument(
        "--address",
        type=addresses,
        metavar="HOST:PORT",
        help=f"the server's, or several with commas, or unix:PATH (default: {ADDRESS_VARIABLE}, else localhost:{PORT})",
    )


def add_address(parser: argparse.ArgumentParser) -> None:
    """Which server, and how long it may take."""
    add_server(parser)
    parser.add_argument(
        "--timeout-s",
        type=seconds,
        metavar="N",
        help=f"seconds that a call is given (default: {TIMEOUT_VARIABLE}, else {TIMEOUT_S:g})",
    )


def add_model_version(parser: argparse.ArgumentParser) -> None:
    """Which model."""
    parser.add_argument(
        "--model-version", type=whole(0, UINT32), default=0, metavar="N", help="model version (default: 0, the newest)"
    )


def addresses(text: str) -> list[str]:
    """The type of `--address`: one, or several with commas."""
    try:
        return [parse_address(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> float:
    """The type of `--timeout-s`."""
    try:
        return parse_timeout(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole(first: int, last: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from `first` to `last`, such as the message's field can hold."""

    def parse(text: str) -> int:
        with suppress(ValueError):
            if first <= (value := int(text)) <= last:
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {first} to {last}")

    return parse


def check_folder(option: str, folder: Path) -> None:
    """Refuse a folder, to be made where it is not there, that cannot be written to.

    Raises:
        UsageError: It cannot; the message names the option.
    """
    there = next(place for place in (folder, *folder.parents, Path()) if place.exists())
    if not there.is_dir():
        raise UsageError(f"{option} {folder}: {there} is no folder")
    check_writable(option, folder, there)


def check_writable(option: str, value: Path, there: Path) -> None:
    """Refuse an option's value where what is there cannot be written to; raises UsageError."""
    if not os.access(there, os.W_OK):
        raise UsageError(f"{option} {value}: {there} cannot be written to")
