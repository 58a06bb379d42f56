"""Requests a second for a digit's address on the page, beside the call that it stands for.

    python -m benchmarks.page_load --seconds 5 --rounds 3

A server of the shipped pair and a page beside it are started, all on this machine. The address is asked by h2load over
HTTP/1.1, without and with the If-None-Match of a cache that has it already; the call is made by the project's client in
Python, which the page itself uses. Each round takes the three in turn, and the table has the medians.
"""

import argparse
import asyncio
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.report import write_json
from digitforge import AsyncClient, Client

HOW = "h2load --h1 for the address, one request in flight on each connection; AsyncClient for the call; medians."
SEED, INDEX = 7, 5


def main() -> None:
    options = build_parser().parse_args()
    if shutil.which("h2load") is None:
        sys.exit("h2load is not installed; Debian and Ubuntu have it in the package nghttp2-client")
    with (
        started("serving", r"serves on (\S+) ", "--port", "0", "--device", "cpu") as server,
        started("page", r"its page at (\S+) ", "--address", server, "--port", "0") as page,
        Client(server) as client,
    ):
        digest = next(model for model in client.models() if model.is_default).generator_sha256
        url = f"{page}/v1/models/{digest}/digits/{SEED}/{INDEX}.png"
        with urllib.request.urlopen(url) as answer:
            etag = answer.headers["etag"]
        measures: dict[str, Callable[[], float]] = {
            "Generate, by AsyncClient": lambda: asyncio.run(calls(server, options.connections, options.seconds)),
            "the address": lambda: address(url, options.connections, options.seconds),
            "the address, If-None-Match": lambda: address(url, options.connections, options.seconds, etag),
        }
        rounds = [{name: measure() for name, measure in measures.items()} for _ in range(options.rounds)]
    figures = {name: statistics.median(figures[name] for figures in rounds) for name in measures}
    print(f"| one digit, {options.connections} in flight | requests/s |\n|---|---|")
    for name, figure in figures.items():
        print(f"| {name} | {figure:,.0f} |")
    print(write_json("page_load", {"requests_per_s": figures, "rounds": rounds}, HOW))


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page_load", description="Requests a second for an address of the page."
    )
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16, help="with one request in flight on each")
    return parser


@contextmanager
def started(module: str, greeting: str, *options: str) -> Iterator[str]:
    """One of the project's commands; where it says that it is."""
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(greeting, line):
                    yield found[1]
                    return
            raise RuntimeError(f"{module} did not start")
        finally:
            process.terminate()


def address(url: str, connections: int, seconds: int, etag: str | None = None) -> float:
    """Requests a second; all must be answered as they should be."""
    command = ["h2load", "--h1", "-c", str(connections), "-m", "1", "-D", str(seconds), url]
    command += ["-H", f"if-none-match: {etag}"] if etag else []
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    codes = re.search(r"(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said)
    rate = re.search(r"finished in \S+ (\S+) req/s", said)
    if codes is None or rate is None or sum(map(int, codes.groups())) != int(codes[2 if etag else 1]):
        raise RuntimeError(said)
    return float(rate[1])


async def calls(server: str, callers: int, seconds: int) -> float:
    """Calls a second of so many callers, each with one under way."""
    done = 0
    async with AsyncClient(server) as client:
        await client.generate(1, seed=SEED, offset=INDEX)
        begin = time.perf_counter()

        async def call_on() -> None:
            nonlocal done
            while time.perf_counter() < begin + seconds:
                await client.generate(1, seed=SEED, offset=INDEX)
                done += 1

        await asyncio.gather(*(call_on() for _ in range(callers)))
        return done / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
