"""Two servers of ours in alternating pairs: this tree's beside another tree's, or beside itself without telemetry.

A ratio of two runs that follow one another says more than two figures of their own, where a machine is never quite the
same: the median of some pairs, and their spread, are told. The first of a pair changes from one to the next.

    python -m benchmarks.serving_load.pairs --other ../before       # a checkout of another commit, with its stubs made
    python -m benchmarks.serving_load.pairs --other ../before --model-repository ../before/models    # an older format
    python -m benchmarks.serving_load.pairs --other ../before --other-repository ../before/models --pictures photo.jpg
    python -m benchmarks.serving_load.pairs --other untold          # what counters and access lines cost: 6 minutes
"""

import argparse
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.report import write_json
from benchmarks.serving_load.answers import scores
from benchmarks.serving_load.contender import SCRIPTS, Contender, ContenderError, Place, ours, score_target
from benchmarks.serving_load.h2load import LoadError, Target, load
from benchmarks.serving_load.processes import cpu_s
from benchmarks.training_process import exit_code
from digitforge.machine.cores import cores_allowed
from judge.tables import text_table
from protos.digits.v1 import digits_pb2 as pb
from serving.repository.model_repository import GENERATOR, complete_versions, model_path

PORT = 50_191
UNTOLD = "untold"
LOADS = {"Generate, n = 1": 64, "Generate, n = 64": 32, "Score raw": 64, "Score PNG": 64}  # connections of each
PICTURE_CONNECTIONS = 4
HOW = (
    "Both servers run all the time; at each load h2load puts one under it and then the other, the first in turns. "
    "Ratios are this tree's figure by the other's, of CPU seconds of the server's processes (from /proc) for 1,000 "
    "requests, and of requests a second."
)


@dataclass(frozen=True)
class Pair:
    """This tree's figures and the other's, at one load, one after the other."""

    cpu_s_per_1000: tuple[float, float]
    req_per_s: tuple[float, float]


def main() -> int:
    """Measure, print, write."""
    options = build_parser().parse_args()
    repository = options.model_repository.resolve()
    model = model_path(repository, GENERATOR, complete_versions(repository)[-1])
    place = Place(repository, model, 0, PORT, options.workers or cores_allowed())
    pictures = {f"Score {path.name}": path.read_bytes() for path in options.pictures}
    pairs: dict[str, list[Pair]] = {name: [] for name in (*LOADS, *pictures)}
    with ExitStack() as stack:
        others = replace(place, repository=(options.other_repository or repository).resolve(), port=PORT + 1)
        places = (place, others)
        contenders = (ours(place.cores), other(options.other, place.cores))
        try:
            pids = tuple(stack.enter_context(one.serving(where)) for one, where in zip(contenders, places, strict=True))
        except ContenderError as error:
            print(error, file=sys.stderr)
            return 1
        for number in range(options.pairs):
            print(f"pair {number + 1} of {options.pairs}", flush=True)
            for name in pairs:
                figures = {}
                for which in (0, 1) if number % 2 else (1, 0):
                    target = _target(name, contenders[which], places[which], pictures)
                    try:
                        figures[which] = _measure(
                            target, LOADS.get(name, PICTURE_CONNECTIONS), pids[which], options.seconds
                        )
                    except LoadError as error:
                        print(f"{name}: {error}", file=sys.stderr)
                        return 1
                (cpu, rate), (other_cpu, other_rate) = figures[0], figures[1]
                pairs[name].append(Pair((cpu, other_cpu), (rate, other_rate)))
    print(show(pairs))
    path = write_json(
        f"serving_pairs_{options.name}",
        {
            "other": options.other,
            "pairs": {
                name: [{"cpu_s_per_1000": each.cpu_s_per_1000, "req_per_s": each.req_per_s} for each in some]
                for name, some in pairs.items()
            },
        },
        HOW,
    )
    print(f"written to {path}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_load.pairs", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--other", required=True, help=f"another tree's folder, or {UNTOLD!r}: this without telemetry")
    parser.add_argument("--model-repository", type=Path, default=Path("models"))
    parser.add_argument("--other-repository", type=Path, help="what the other serves (default: the same)")
    parser.add_argument(
        "--pictures", type=Path, nargs="+", default=[], metavar="FILE", help="picture files that are scored as well"
    )
    parser.add_argument("--pairs", type=int, default=10, help="how many (default: 10)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default: 4)")
    parser.add_argument("--workers", type=int, help="of each server (default: one a core)")
    parser.add_argument("--name", default="models", help="of the figures' file (default: models)")
    return parser


def other(name: str, workers: int) -> Contender:
    """The server beside ours: of another tree by its own Python where that has one, or this one's without telemetry."""
    if name == UNTOLD:
        mine = ours(workers)
        return replace(
            mine,
            name=UNTOLD,
            command=lambda place: [str(SCRIPTS / "untold.py"), *mine.command(place)[2:]],  # for `-m serving`
            variables=lambda _: {"PYTHONPATH": str(Path.cwd())},
        )
    folder = Path(name).resolve()
    python = folder / ".venv" / "bin" / "python"
    return replace(
        ours(workers),
        name="other",
        folder=folder,
        interpreter=str(python if python.exists() else sys.executable),
        infers=False,  # an older one may not
    )


def show(pairs: dict[str, list[Pair]]) -> str:
    """A table: of each load the median ratio, the least and the largest."""
    rows = []
    for name, some in pairs.items():
        cpu = [mine / others for mine, others in (each.cpu_s_per_1000 for each in some)]
        rate = [mine / others for mine, others in (each.req_per_s for each in some)]
        rows.append((name, str(len(some)), _ratios(cpu), _ratios(rate)))
    return text_table(("", "pairs", "CPU s by the other's", "requests/s by the other's"), rows)


def _ratios(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"


def _target(name: str, contender: Contender, place: Place, pictures: dict[str, bytes]) -> Target:
    """What a load asks."""
    if name in pictures:
        return score_target(place, pb.ScoreRequest(image=pictures[name]).SerializeToString())
    if name.startswith("Score"):
        return score_target(place, scores(place, as_png=name.endswith("PNG")))
    return contender.target(replace(place, n=int(name.rpartition(" ")[2])))


def _measure(target: Target, connections: int, pid: int, seconds: float) -> tuple[float, float]:
    """CPU seconds for 1,000 requests, and requests a second."""
    before = cpu_s(pid)
    figures = load(target, connections, seconds)
    return (cpu_s(pid) - before) / figures["requests"] * 1000, figures["req_per_s"]


if __name__ == "__main__":
    sys.exit(exit_code(main))
