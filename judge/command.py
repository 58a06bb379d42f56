"""`digitforge-evaluate`: measure a run or a version of a model repository in every way that `evaluation/` knows.

Whatever is heavy is imported once the options are read: help is quick, and Ctrl-C ends it cleanly from the start.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

ARTIFACTS = Path("artifacts/evaluations")
FAILED, INTERRUPTED = 1, 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code: 0 measured, 1 failed, 2 wrong options, 130 interrupted."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def run(options: argparse.Namespace) -> int:
    """Evaluate what the options name."""
    from evaluation.fit_classifier import EPOCHS
    from evaluation.reference import ReferenceFileError
    from evaluation.threads import keep_to_allowed_cores
    from export.graphs import NotFiniteError
    from judge.evaluation import NoClassesError, evaluate
    from judge.pair import NothingToEvaluateError, open_pair
    from serving.repository.model_repository import RepositoryError
    from training.checkpoint import CheckpointError
    from training.data import DataUnavailableError
    from training.data_sets.errors import DataFileError

    failures = (
        CheckpointError,
        DataFileError,
        DataUnavailableError,
        NoClassesError,
        NotFiniteError,
        NothingToEvaluateError,
        OSError,
        ReferenceFileError,
        RepositoryError,
    )
    keep_to_allowed_cores()
    try:
        pair = open_pair(options.path)
        out = options.out or (pair.run_folder / "evaluation" if pair.run_folder else ARTIFACTS / pair.name)
        epochs = (options.tstr_epochs or EPOCHS) if options.tstr else None
        table = evaluate(pair, out, options.data_dir, options.images, epochs, say)
    except failures as error:
        print(f"digitforge-evaluate: {error}", file=sys.stderr)
        return FAILED
    print(table)
    say(f"written to {out}: evaluation.json, evaluation.md and pictures")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="digitforge-evaluate",
        description="Measure how good generated digits are, each figure beside what other real digits get.",
    )
    parser.add_argument(
        "path",
        help="a run's folder or checkpoint.pt, finished or not; or a model repository: models, models@N or "
        "models/generator/N",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(os.environ.get("DATA_DIR") or "data"),
        help="folder of the data sets, for what keeps no reference.npz, and for others to show the detector "
        "(default: $DATA_DIR, else data)",
    )
    parser.add_argument(
        "--out", type=Path, help=f"where to write (default: RUN/evaluation, or {ARTIFACTS}/NAME for a repository)"
    )
    parser.add_argument(
        "--images",
        type=_at_least(100),
        help="compare so many generated images with as many real ones, for a quick look (default: the whole test set, "
        "at most 10,000); figures compare only between equal counts",
    )
    parser.add_argument(
        "--tstr", action="store_true", help="also train a classifier on 60,000 generated digits (takes minutes)"
    )
    parser.add_argument(
        "--tstr-epochs", type=_at_least(1), help="how long (default: as long as the shipped classifier was trained)"
    )
    return parser


def _at_least(limit: int) -> Callable[[str], int]:
    """The type of an option whose value is a whole number from `limit` on."""

    def number(text: str) -> int:
        value = int(text)
        if value < limit:
            raise argparse.ArgumentTypeError(f"{value} is too few: at least {limit}")
        return value

    return number


def say(line: str) -> None:
    """Tell what is being done, apart from the table on standard output."""
    print(line, file=sys.stderr, flush=True)
