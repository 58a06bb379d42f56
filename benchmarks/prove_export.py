"""A proof by trial that an export that is killed leaves a model repository that loads, with all that it held before.

Exports of one run into one repository are killed (SIGKILL) at random moments: anywhere, once both models are written
and not all is verified, and as the version appears. After each, every complete version is whole, loads and runs, and
every file of the versions before has the bytes that it had. At the end an export that is left alone succeeds, and
nothing of the killed ones is left.

    python -m benchmarks.prove_export --kills 20
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.kill_moments import pause
from benchmarks.report import ARTIFACTS, write_json
from benchmarks.training_process import ROOT, RunFailedError, environment, exit_code, kill, none_left_behind
from export.repository import BESIDE
from judge.tables import text_table
from serving.engine.device import CPU
from serving.engine.runner import Runner
from serving.repository.model_repository import (
    DISCRIMINATOR,
    GENERATOR,
    MODEL_FILE,
    ModelMetadata,
    complete_versions,
    model_path,
)
from training.checkpoint import Checkpoint, save_checkpoint
from training.config import PRESETS
from training.networks import build_detector, build_generator

NAME = "prove_export"
KINDS = ("anywhere", "written", "appearing")
STATES = ("nothing written", "files beside", "half a version", "a whole version")
LOOK_S = 0.005  # a model's verification takes longer
POLL_S = 0.0002  # while a version appears
ATTEMPTS = 5  # at a moment that the export's end came before
HOW = (
    "SIGKILL to `python -m export` at seeded random moments. After each: complete versions are those before, or one "
    "more; all of them load and give images and scores; all files of those before have the bytes that they had."
)


class BrokenRepositoryError(Exception):
    """A killed export left something that it must not."""


@dataclass(frozen=True)
class Life:
    """An export's that is left alone, in seconds: until both of its models are written, and all of it."""

    written_s: float
    total_s: float


@dataclass(frozen=True)
class Kill:
    """One that hit: the kind of moment, seconds into the process, and what the export had done (one of `STATES`)."""

    kind: str
    after_s: float
    state: str


def main() -> int:
    """Kill, check, print, write. 0 if the repository came through, else 1."""
    options = build_parser().parse_args()
    if options.folder.exists():
        shutil.rmtree(options.folder)
    run = options.run or untrained_run(options.folder / "run")
    try:
        kills = prove(run, options.folder / "models", options.kills, options.seed, lambda line: print(line, flush=True))
    except BrokenRepositoryError as error:
        print(f"BROKEN: {error}", file=sys.stderr)
        return 1
    counts = Counter((hit.kind, hit.state) for hit in kills)
    rows = [(kind, *(str(counts[kind, state]) for state in STATES)) for kind in KINDS]
    print(f"\n{text_table(('kills', *STATES), rows)}\n")
    print(f"the repository came through {len(kills)} kills")
    path = write_json(NAME, {"seed": options.seed, "kills": [asdict(hit) for hit in kills]}, HOW)
    print(f"written to {path}")
    shutil.rmtree(options.folder)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove_export", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--run", type=Path, help="a finished run to export (default: an untrained one is made)")
    parser.add_argument("--folder", type=Path, default=ARTIFACTS / NAME, help="to work in; emptied first")
    return parser


def untrained_run(folder: Path) -> Path:
    """A finished run of the default architecture, whose weights nobody has trained: exporting it is the same work."""
    config = PRESETS["default"].with_options({"dataset": "mnist"})
    torch.manual_seed(0)
    generator, detector = build_generator(config), build_detector(config)
    folder.mkdir(parents=True)
    run = Checkpoint(
        config,
        "untrained",
        "none",
        finished=True,
        generator=generator.state_dict(),
        discriminator=detector.state_dict(),
        quality={"auroc": 0.5},
    )
    save_checkpoint(run, folder)
    return folder


def prove(run: Path, repository: Path, kills: int, seed: int, say: Callable[[str], None]) -> list[Kill]:
    """Kill exports into a new repository, and check it after each.

    Args:
        run: The folder of a finished run.
        repository: The folder to export into; must not exist.
        kills: How many that hit.
        seed: Of the moments.
        say: Told of each kill.

    Returns:
        The kills.

    Raises:
        BrokenRepositoryError: The repository lost something, or holds something that does not load.
        RunFailedError: An export failed by itself.
    """
    life = left_alone(run, repository)
    say(f"left alone: {life.total_s:.1f} s, after {life.written_s:.1f} s both models are written")
    known = check(repository, {}, 1)
    rng, hits = random.Random(seed), list[Kill]()
    for number in range(kills):
        kind = KINDS[number % len(KINDS)]
        hit, ended = kill_at(run, repository, kind, rng.random(), life)
        known = check(repository, known, ended + (hit.state == STATES[3]))
        hits.append(hit)
        say(f"kill {number + 1} of {kills}  {hit.kind:9}  {hit.after_s:5.1f} s  {hit.state}")
    left_alone(run, repository)
    check(repository, known, 1)
    if left := sorted(repository.rglob(f"{BESIDE}*")):
        raise BrokenRepositoryError(f"{repository}: killed exports left {left}")
    return hits


def start(run: Path, repository: Path) -> subprocess.Popen[bytes]:
    """An export as its users start it, in a process of its own."""
    command = [sys.executable, "-m", "export", str(run.resolve()), "--model-repository", str(repository.resolve())]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(1),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def left_alone(run: Path, repository: Path) -> Life:
    """Export to the end, and time it."""
    begin, files = time.monotonic(), generator_files(repository)
    with none_left_behind(start(run, repository)) as process:
        watch(process, partial(writes_generator, repository, files))
        written_s = time.monotonic() - begin
        _, error = process.communicate()
    if process.returncode:
        raise RunFailedError(f"the export of {run} failed: {error.decode().strip()}")
    return Life(written_s, time.monotonic() - begin)


def kill_at(run: Path, repository: Path, kind: str, share: float, life: Life) -> tuple[Kill, int]:
    """Start an export and kill it at a moment; where its end came before, another one, earlier.

    Returns:
        The kill, and how many exports came to their end before it.
    """
    for ended in range(ATTEMPTS):
        number = newest(repository) + 1
        begin, files = time.monotonic(), generator_files(repository)
        with none_left_behind(start(run, repository)) as process:
            if kind == "anywhere":
                pause(process, share * life.total_s)
            else:
                watch(process, partial(writes_generator, repository, files))
                if kind == "written":
                    pause(process, share * (life.total_s - life.written_s))
                else:
                    watch(process, (repository / DISCRIMINATOR / str(number)).exists, POLL_S)
            hit = process.poll() is None
            after_s = time.monotonic() - begin
            kill(process)
        if hit:
            return Kill(kind, after_s, state_of(repository, number)), ended
        if process.returncode > 0:
            assert process.stderr is not None
            raise RunFailedError(f"the export of {run} failed: {process.stderr.read().decode().strip()}")
        share *= 0.8
    raise RunFailedError(f"{ATTEMPTS} exports of {run} ended before they could be killed")


def watch(process: subprocess.Popen[bytes], happens: Callable[[], bool], every_s: float = LOOK_S) -> None:
    """Wait for something that is soon over, at most until the process ends."""
    while process.poll() is None and not happens():
        time.sleep(every_s)


def lies_beside(repository: Path) -> bool:
    """Whether an export has begun to write."""
    return any(repository.glob(f"*/{BESIDE}*"))


def generator_files(repository: Path) -> set[Path]:
    """The generators that have been written, in versions and beside: of a pair it is the second."""
    # os.walk passes over a folder that is renamed while it looks; glob does not.
    return {Path(folder) / MODEL_FILE for folder, _, names in os.walk(repository / GENERATOR) if MODEL_FILE in names}


def writes_generator(repository: Path, before: set[Path]) -> bool:
    """Whether there is a generator that was not there before."""
    return bool(generator_files(repository) - before)


def newest(repository: Path) -> int:
    """The highest number that is taken, by half a version too."""
    folders = (path for model in (GENERATOR, DISCRIMINATOR) for path in (repository / model).glob("[1-9]*"))
    return max((int(path.name) for path in folders), default=0)


def half_version(repository: Path, number: int) -> bool:
    """Whether the discriminator has appeared and the generator not."""
    return (repository / DISCRIMINATOR / str(number)).exists() and number not in complete_versions(repository)


def state_of(repository: Path, number: int) -> str:
    """How far a killed export has come with a version."""
    if number in complete_versions(repository):
        return STATES[3]
    if half_version(repository, number):
        return STATES[2]
    return STATES[1] if lies_beside(repository) else STATES[0]


Known = dict[tuple[int, str, str], str]  # version, model and file to the file's hash


def check(repository: Path, known: Known, new_versions: int) -> Known:
    """Load what a server would, and compare with what was there before; so many complete versions must have come.

    Returns:
        All files of complete versions.

    Raises:
        BrokenRepositoryError: A version is gone, has changed or does not load, or others have come than should have.
    """
    versions = complete_versions(repository)
    found = {
        (version, model, path.name): hashlib.sha256(path.read_bytes()).hexdigest()
        for version in versions
        for model in (GENERATOR, DISCRIMINATOR)
        for path in (repository / model / str(version)).iterdir()
    }
    if changed := sorted(key for key, value in known.items() if found.get(key) != value):
        raise BrokenRepositoryError(f"{repository}: changed or gone: {changed}")
    new = set(versions) - {version for version, *_ in known}
    if len(new) != new_versions:
        raise BrokenRepositoryError(f"{repository}: expected {new_versions} new versions, found {sorted(new)}")
    whole = {(model, name) for version, model, name in found if version == min(versions)}
    for version in new:
        if missing := whole - {(model, name) for number, model, name in found if number == version}:
            raise BrokenRepositoryError(f"{repository}: version {version} can be seen without {sorted(missing)}")
        load(repository, version)
    return found


def load(repository: Path, version: int) -> None:
    """Open both models as the server does, and run them."""
    runners = {model: Runner(model_path(repository, model, version), CPU, 1) for model in (GENERATOR, DISCRIMINATOR)}
    about = {
        model: ModelMetadata.read(runner.properties, model_path(repository, model, version))
        for model, runner in runners.items()
    }
    if about[GENERATOR].run_id != about[DISCRIMINATOR].run_id:
        raise BrokenRepositoryError(f"{repository}: version {version} is no pair")
    rows = {"z": np.zeros((2, about[GENERATOR].latent_size), np.float32)}
    if about[GENERATOR].classes:
        rows["digit"] = np.zeros((2, 1), np.int64)
    runners[DISCRIMINATOR].run({"images": runners[GENERATOR].run(rows)["images"]})


if __name__ == "__main__":
    sys.exit(exit_code(main))
