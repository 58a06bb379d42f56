"""How long `make train` takes beside other work: alone, and beside one and two busy processes of one thread.

Runs take turns, as processes of one thread each that sleep where they wait, and as one process with as many threads
that spin there, which the trainer was before: `--processes 1`, and libgomp's own number of spins. Neighbours count and
do nothing else. All are of one session and one priority, so that the system shares its cores by threads: on two cores a
fair share makes a run 1.5 times as long beside one neighbour, and twice as long beside two.

    python -m benchmarks.beside_work --images 30000 --measure-fully no --minutes 12
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.report import ARTIFACTS, write_json
from benchmarks.training_process import (
    RunFailedError,
    environment,
    exit_code,
    last_words,
    log_path,
    none_left_behind,
)
from digitforge.machine.cores import cores_allowed
from judge.tables import markdown_table
from training.config import PRESETS

NAME = "beside_work"
NEIGHBOURS = (0, 1, 2)
PROCESSES, THREADS = "processes", "threads"
SPINS = "300000"  # libgomp's own, where nothing is said of waiting
QUIET = 0.05  # of the machine, for all that is neither the run nor its neighbours
HOW = (
    "`python -m training` from its start to its end, runs in turns. cpu_s: of all its processes. others: share of the "
    "machine's time that neither the run nor its neighbours used; above a twentieth the machine was not quiet."
)


@dataclass(frozen=True)
class Timing:
    """A run: how it computed, beside how many neighbours, and what it took.

    Attributes:
        seconds: From the start to the end of the process.
        cpu_s: Of all its processes.
        others: Share of the machine's time that somebody else used meanwhile.
    """

    contender: str
    neighbours: int
    seconds: float
    cpu_s: float
    others: float


def main() -> int:
    """Measure, print, write."""
    options = build_parser().parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    timings: list[Timing] = []
    folder = options.folder
    for number in range(options.rounds):
        for neighbours in NEIGHBOURS:
            for contender in options.contenders.split(","):
                if time.monotonic() + expected(timings, contender, neighbours) > deadline:
                    continue
                timing = run(contender, neighbours, folder, options)
                timings.append(timing)
                print(
                    f"round {number + 1}, {contender:9} beside {neighbours}: {timing.seconds:6.1f} s, "
                    f"{timing.cpu_s:6.1f} CPU s; others used {timing.others:.0%} of the machine",
                    flush=True,
                )
    shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{table(timings)}\n\n{told(timings, options)}")
    settings = {name: str(value) for name, value in vars(options).items()}
    path = write_json(NAME, {"settings": settings, "runs": [asdict(timing) for timing in timings]}, HOW)
    print(f"written to {path}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options. The defaults are all of `make train`, over an hour; the example above takes some minutes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside_work", description=__doc__.splitlines()[0])
    images = PRESETS["default"].images
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR") or "data"), help="with MNIST")
    parser.add_argument("--images", type=int, default=images, help=f"length; the detector's follows ({images:,})")
    parser.add_argument("--measure-fully", default="yes", help="no: the Fréchet distance alone at the end")
    parser.add_argument("--rounds", type=int, default=5, help="how often each takes its turn (default: 5)")
    parser.add_argument("--minutes", type=float, default=1e9, help="no run begins that would not end within so many")
    parser.add_argument("--contenders", default=f"{PROCESSES},{THREADS}", help=f"default: {PROCESSES},{THREADS}")
    parser.add_argument("--folder", type=Path, default=ARTIFACTS / NAME, help="of the runs; emptied")
    return parser


def run(contender: str, neighbours: int, folder: Path, options: argparse.Namespace) -> Timing:
    """One run from its start to its end.

    Raises:
        RunFailedError: The trainer failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    out = (folder / "run").resolve()
    out.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "training", "--out", str(out), *run_options(contender, options)]
    with busy_neighbours(neighbours) as busy, log_path(out).open("ab") as log:
        begin, own, machine = time.monotonic(), _children_cpu_s(), _machine_cpu_s()
        theirs = sum(map(_process_cpu_s, busy))
        process = subprocess.Popen(
            command,
            cwd=out.parent,
            env=environment(cores_allowed()) | ({"GOMP_SPINCOUNT": SPINS} if contender == THREADS else {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        with none_left_behind(process):
            code = process.wait()
        seconds, cpu_s = time.monotonic() - begin, _children_cpu_s() - own
        others_s = _machine_cpu_s() - machine - cpu_s - (sum(map(_process_cpu_s, busy)) - theirs)
    if code:
        raise RunFailedError(f"the run ended with exit code {code}: {last_words(out)}")
    return Timing(contender, neighbours, seconds, cpu_s, max(0.0, others_s) / (seconds * (os.cpu_count() or 1)))


def run_options(contender: str, options: argparse.Namespace) -> list[str]:
    """The trainer's: the preset at the length that is asked for, with all its parts in proportion."""
    default = PRESETS["default"]
    share = options.images / (default.images or 1)
    given = {"images": options.images, "milestone-images": max(1, round(share * (default.milestone_images or 1)))}
    given |= {"detector-images": max(1, round(share * default.detector_images))}
    given |= {"detector-pool": max(16, round(share * default.detector_pool))}
    named = {"dataset": "mnist", "device": "cpu", "data-dir": str(options.data_dir.resolve()), **given}
    named |= {"measure-fully": options.measure_fully} | ({"processes": 1} if contender == THREADS else {})
    return [f"--{name}={value}" for name, value in named.items()]


@contextmanager
def busy_neighbours(count: int) -> Iterator[list[int]]:
    """So many processes of one thread that do nothing but compute; gives their PIDs."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def expected(timings: list[Timing], contender: str, neighbours: int) -> float:
    """Seconds that the next run may take: the longest of its kind so far, else 1.5 times the last of all."""
    same = [each.seconds for each in timings if (each.contender, each.neighbours) == (contender, neighbours)]
    return max(same) if same else 1.5 * timings[-1].seconds if timings else 0.0


def medians(timings: list[Timing], contender: str) -> list[tuple[float, float] | None]:
    """Seconds and CPU seconds beside each number of neighbours, None where there was no run."""
    found: list[tuple[float, float] | None] = []
    for neighbours in NEIGHBOURS:
        some = [each for each in timings if (each.contender, each.neighbours) == (contender, neighbours)]
        found.append(
            (statistics.median(each.seconds for each in some), statistics.median(each.cpu_s for each in some))
            if some
            else None
        )
    return found


def table(timings: list[Timing]) -> str:
    """For the documentation."""
    header = ("", "alone", "beside one", "beside two", "CPU seconds")
    rows = []
    for contender in dict.fromkeys(each.contender for each in timings):
        found = medians(timings, contender)
        alone = found[0]
        cells = []
        for each in found:
            ratio = f" ({each[0] / alone[0]:.2f})" if each and alone and each is not alone else ""
            cells.append(f"{each[0]:.0f} s{ratio}" if each else "")
        rows.append((contender, *cells, ", ".join(f"{each[1]:.0f}" for each in found if each)))
    return markdown_table(header, rows).rstrip()


def told(timings: list[Timing], options: argparse.Namespace) -> str:
    """What the figures are, and whether the machine was quiet."""
    disturbed = sum(each.others > QUIET for each in timings)
    quiet = f"The machine was NOT quiet in {disturbed} of them." if disturbed else "The machine was quiet."
    return (
        f"Medians of {len(timings)} runs of {options.images:,} images in turns, and in brackets by that alone; a fair "
        f"share on {cores_allowed()} cores would be {fair(1):.2f} beside one and {fair(2):.2f} beside two. {quiet}"
    )


def fair(neighbours: int) -> float:
    """How many times as long a run with a thread for each core takes, where every thread gets the same."""
    cores = cores_allowed()
    return (cores + neighbours) / cores


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _process_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _machine_cpu_s() -> float:
    """What all processes have used: all but idle, waiting and stolen time."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(exit_code(main))
