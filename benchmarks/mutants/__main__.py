"""Mutation testing: small faults are put into the source, one at a time, and the tests should notice.

A mutant that they do not notice is a line that could be wrong without anybody knowing. It is either the same program
(then it says nothing) or a test that is missing.

    python -m benchmarks.mutants --room batcher --room fair_queue --places 60
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.mutants.choice import sample
from benchmarks.mutants.rooms import ROOMS, Room
from benchmarks.mutants.trials import HUNG, NOTICED, SURVIVED, Verdict, copy_tree, judge
from benchmarks.report import write_json
from benchmarks.training_process import ROOT, exit_code
from digitforge.machine.cores import cores_allowed
from judge.tables import text_table

NAME = "mutants"
HOW = (
    "cosmic-ray's mutants, one at each of the places that the seed draws from the lines of a room; those that nobody "
    "could notice are left out. Noticed: pytest fails or hangs. Each in a copy of the tree, one for every process."
)


def main() -> int:
    """Mutate, judge, print, write."""
    options = build_parser().parse_args()
    rooms = {name: ROOMS[name] for name in options.room or ROOMS}
    places = None if options.all else options.places
    verdicts = judge_rooms(ROOT, rooms, options.seed, places, options.processes)
    print(f"\n{table(verdicts)}")
    figures = {"seed": options.seed, "places": places, "rooms": {name: result(verdicts[name]) for name in rooms}}
    print(f"\nwritten to {write_json(NAME, figures, HOW)}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--room", action="append", choices=ROOMS, help="only this one; may be given several times")
    parser.add_argument("--places", type=int, default=20, help="to mutate in each room (default: 20)")
    parser.add_argument("--all", action="store_true", help="every mutant at every place (a day)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    parser.add_argument("--processes", type=int, default=cores_allowed(), help="at a time (default: one for each core)")
    return parser


def judge_rooms(
    tree: Path, rooms: Mapping[str, Room], seed: int, places: int | None, processes: int
) -> dict[str, list[Verdict]]:
    """Judge a sample of each room's mutants, and print each survivor.

    Args:
        tree: The root of the source; not written to.
        rooms: By their names.
        seed: Of the draw.
        places: To mutate in each room; None for every mutant at every place.
        processes: At a time.

    Raises:
        RunFailedError: A room's tests fail without a mutant.
    """
    verdicts = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, asyncio.Runner() as runner:
        copies = [copy_tree(tree, Path(folder) / str(number)) for number in range(processes)]
        for name, room in rooms.items():
            mutants = sample(copies[0], room.modules, seed, places)
            print(f"{name}: {len(mutants)} mutants", flush=True)
            verdicts[name] = runner.run(judge(copies, mutants, room.tests, tell))
    return verdicts


def tell(verdict: Verdict) -> None:
    """Print what nobody noticed."""
    if verdict.outcome == SURVIVED:
        print(f"{verdict.mutant.module}:{verdict.mutant.line} survived\n{verdict.change}", flush=True)


def table(verdicts: Mapping[str, Sequence[Verdict]]) -> str:
    """A line for each room, and one for all."""
    everything = {**verdicts, "all": [verdict for room in verdicts.values() for verdict in room]}
    rows = []
    for name, of_room in everything.items():
        found = Counter(verdict.outcome for verdict in of_room)
        counts = (len(of_room), found[NOTICED], found[HUNG], found[SURVIVED])
        rows.append((name, *map(str, counts), f"{score(of_room):.0%}"))
    return text_table(("room", "mutants", "noticed", "hung", "survived", "score"), rows)


def score(verdicts: Sequence[Verdict]) -> float:
    """The share that was noticed."""
    return sum(verdict.outcome != SURVIVED for verdict in verdicts) / max(1, len(verdicts))


def result(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """A room's for the JSON."""
    mutants = [
        {
            "module": verdict.mutant.module,
            "line": verdict.mutant.line,
            "operator": verdict.mutant.operator,
            "outcome": verdict.outcome,
            "change": verdict.change,
        }
        for verdict in verdicts
    ]
    return {"score": score(verdicts), "mutants": mutants}


if __name__ == "__main__":
    sys.exit(exit_code(main))
