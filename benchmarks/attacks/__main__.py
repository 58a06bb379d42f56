"""Attack the server as a stranger could, one situation after another, and tell what a well-behaved caller notices.

Every situation has a server of its own with one worker, against 127.0.0.1 alone, and is bounded in count and time.
Beside it somebody calls 50 times a second, on a fixed schedule; the command fails where an answer is wrong, refused or
late, or where the server's memory does not come back. By `--transport grpcio` the same is told of grpcio's own server.

    python -m benchmarks.attacks
    python -m benchmarks.attacks rapid-reset gzip-bombs --calls 300
"""

import argparse
import sys
from dataclasses import asdict
from math import inf
from pathlib import Path

from benchmarks.attacks.answers import ANSWERS
from benchmarks.attacks.connections import CONNECTIONS
from benchmarks.attacks.ends import ENDS
from benchmarks.attacks.floods import FLOODS
from benchmarks.attacks.pictures import PICTURES
from benchmarks.attacks.requests import REQUESTS
from benchmarks.attacks.server import ServerError, serving
from benchmarks.attacks.target import Attack
from benchmarks.attacks.trial import Limits, Outcome, Range, firing_range, name_of
from benchmarks.report import processor, write_json
from benchmarks.training_process import exit_code
from judge.tables import text_table

ATTACKS: dict[str, Attack] = {
    name_of(attack): attack for attack in (*FLOODS, *REQUESTS, *ANSWERS, *CONNECTIONS, *PICTURES)
}
END = {name_of(end): end for end in ENDS}
SITUATIONS = {**ATTACKS, **END}
ATTACKED = Limits()
ENDED = Limits(p99_ms=inf, max_ms=inf)  # who is sent elsewhere may wait
HOW = (
    "A server of one worker for each situation, the attacker and a well-behaved caller on the same machine, a process "
    "each. The caller asks 50 times a second (open loop: latency from the moment each call was due), Generate of 3 "
    "images and a raw Score in turn, and compares the answers byte for byte with those of the quiet server. Resident "
    "memory is that of all the server's processes together."
)


def main() -> int:
    """Attack, print, write."""
    options = build_parser().parse_args()
    if unknown := set(options.names) - SITUATIONS.keys():
        build_parser().error(f"there is no situation {', '.join(sorted(unknown))}")
    names = options.names or list(SITUATIONS)
    outcomes: list[tuple[Outcome, Limits]] = []
    with firing_range() as range_:
        for name in names:
            print(f"{name}: {_words(name)}", flush=True)
            try:
                outcomes.append(_outcome(name, range_, options))
            except ServerError as error:
                print(error, file=sys.stderr)
                return 1
            print(text_table(HEADER, [row(*outcomes[-1])]), flush=True)
    failed = [outcome.name for outcome, limits in outcomes if outcome.faults(limits)]
    print(f"\n{options.transport}, {processor()}\n{text_table(HEADER, [row(*outcome) for outcome in outcomes])}")
    figures = [
        {**asdict(outcome), "calls": _figures(outcome), "faults": outcome.faults(limits)}
        for outcome, limits in outcomes
    ]
    path = write_json(f"attacks_{options.transport}", {"limits": asdict(ATTACKED), "situations": figures}, HOW)
    print(f"{len(failed)} of {len(outcomes)} failed{': ' if failed else ''}{', '.join(failed)}; written to {path}")
    return 1 if failed and options.transport == "http2" else 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"situations (default: all): {', '.join(SITUATIONS)}")
    parser.add_argument(
        "--transport", choices=("http2", "grpcio"), default="http2", help="grpcio is told and never fails"
    )
    parser.add_argument("--calls", type=int, default=1000, help="of the well-behaved caller in each (default: 1000)")
    parser.add_argument("--signals", type=int, default=50, help="how often workers and servers are ended (default: 50)")
    parser.add_argument("--model-repository", type=Path, default=Path("models"))
    return parser


HEADER = (
    "",
    "right",
    "wrong",
    "refused",
    "p50 ms",
    "p99 ms",
    "max ms",
    "MB before",
    "most",
    "after",
    "rounds",
    "verdict",
)


def row(outcome: Outcome, limits: Limits) -> tuple[str, ...]:
    """An outcome for the table."""
    calls = outcome.calls
    return (
        outcome.name,
        str(calls.right),
        str(calls.wrong),
        str(calls.refused.total()),
        *(f"{calls.percentile_ms(percent):.1f}" for percent in (50, 99, 100)),
        *(f"{size:.0f}" for size in outcome.memory_mb or ()),
        *([""] * 3 if outcome.memory_mb is None else []),
        str(outcome.rounds),
        "; ".join(outcome.faults(limits)) or "held",
    )


def _outcome(name: str, range_: Range, options: argparse.Namespace) -> tuple[Outcome, Limits]:
    if name in END:
        return END[name](range_, options.model_repository, options.transport, options.signals), ENDED
    with serving(options.model_repository, options.transport, "--workers", "1", name=name) as server:
        return range_.attack(ATTACKS[name], server, options.calls, ATTACKED), ATTACKED


def _figures(outcome: Outcome) -> dict[str, object]:
    calls = outcome.calls
    quantiles = {f"p{percent}_ms": calls.percentile_ms(percent) for percent in (50, 99, 100)}
    return {"right": calls.right, "wrong": calls.wrong, "refused": dict(calls.refused), **quantiles}


def _words(name: str) -> str:
    return (SITUATIONS[name].__doc__ or "").strip(".")


if __name__ == "__main__":
    sys.exit(exit_code(main))
