"""`digitforge health`: whether a server serves, for scripts and containers."""

import argparse
import sys

from digitforge.client import Client
from digitforge.commands.options import FAILED, OK, UNREACHABLE
from digitforge.errors import DeadlineExceededError, DigitforgeError, UnreachableError

DOES = "ask whether a server serves"
TELLS = (
    "A line per address. The exit code is 0 where all serve, 1 where one says that it does not, 3 where one is silent."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument(
        "--service", default="", metavar="NAME", help="one of its services, such as digits.v1.Digits (default: all)"
    )


def run(client: Client, options: argparse.Namespace) -> int:
    """Print a line per address, each asked once; the exit code is that of the worst."""
    return max(check(address, client.timeout_s, options.service) for address in client.addresses)


def check(address: str, timeout_s: float, service: str) -> int:
    """Ask one server, and tell what it says."""
    try:
        with Client(address, timeout_s=timeout_s) as client:
            serves = client.is_serving(service)
    except DigitforgeError as error:
        print(f"digitforge: {address}: {error}", file=sys.stderr)
        return UNREACHABLE if isinstance(error, UnreachableError | DeadlineExceededError) else FAILED
    print(f"{address}: {'serving' if serves else 'not serving'}")
    return OK if serves else FAILED
