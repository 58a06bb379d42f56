"""The client's command line: `digitforge generate`, `score`, `models` and `health`, or `python -m digitforge`."""

import argparse
import sys
from importlib.metadata import version as package_version
from types import ModuleType

from digitforge.client import Client
from digitforge.commands import generate, health, models, score
from digitforge.commands.options import (
    FAILED,
    UNREACHABLE,
    USAGE,
    UsageError,
    add_address,
)
from digitforge.errors import DigitforgeError, UnreachableError

EXIT_CODES = "exit codes: 0 done, 1 refused or failed, 2 wrong options, 3 server not reachable, 130 interrupted"
COMMANDS: dict[str, ModuleType] = {"generate": generate, "score": score, "models": models, "health": health}


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options, unknown = build_parser().parse_known_args(arguments)
    if unknown:  # told by the command's own usage, where parse_args would show that of all commands
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        with connect(options) as client:
            return int(options.run(client, options))
    except UnreachableError as error:
        print(f"digitforge: {error}; start one with digitforge-serve", file=sys.stderr)
        return UNREACHABLE
    except UsageError as error:
        print(f"digitforge: {error}", file=sys.stderr)
        return USAGE
    except (DigitforgeError, OSError) as error:
        print(f"digitforge: {error}", file=sys.stderr)
        return FAILED


def connect(options: argparse.Namespace) -> Client:
    """The client that the options, or else the variables, ask for."""
    try:
        return Client(options.address, timeout_s=options.timeout_s)
    except ValueError as error:
        raise UsageError(str(error)) from error


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="digitforge", description="Digits from a server.", epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"digitforge {package_version('digitforge')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.DOES, description=command.TELLS, epilog=EXIT_CODES)
        one.set_defaults(run=command.run, parser=one)
        add_address(one)
        command.add_options(one)
    return parser
