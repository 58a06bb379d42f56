"""The exporter's command line."""

import argparse
import shlex
import sys
from itertools import count
from pathlib import Path

from export.errors import VerificationError
from export.inspection import NothingToInspectError, inspect, versions_of

MODEL_REPOSITORY = Path("artifacts/models")
VARIANTS = ("fp16", "int8")
FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Export a run, or show what is exported; the exit code: 0 done, 1 failed, 2 wrong options."""
    options = build_parser().parse_args(arguments)
    try:
        if options.inspect is not None:
            print(inspect(options.inspect))
            return 0
        return _export(options.run, options.model_repository, options.variants)
    except (NothingToInspectError, VerificationError, OSError) as error:
        return _failed(error)


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="digitforge-export",
        description="Export a finished run as the next version of a model repository, or show what a version is.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("run", type=Path, nargs="?", help="the run's folder")
    what.add_argument(
        "--inspect",
        type=Path,
        metavar="PATH",
        help="show what is there instead: a version (models@N), one model of it (models/generator/N), a file, or a "
        "whole repository (models)",
    )
    parser.add_argument(
        "--model-repository", type=Path, default=MODEL_REPOSITORY, help=f"where to (default: {MODEL_REPOSITORY})"
    )
    parser.add_argument(
        "--variants",
        type=_variants,
        default=(),
        metavar="NAMES",
        help="write these beside, separated by commas: fp16 for GPUs, int8 for CPUs (default: none)",
    )
    return parser


def _export(folder: Path, repository: Path, variants: tuple[str, ...]) -> int:
    # Here, so that --inspect need not wait for torch.
    from evaluation.reference import ReferenceFileError
    from evaluation.threads import keep_to_allowed_cores
    from export.export_run import export
    from export.graphs import NotFiniteError
    from export.int8 import NothingToQuantiseError
    from export.repository import RepositoryError, SignatureError
    from training.checkpoint import CheckpointError, load_checkpoint

    keep_to_allowed_cores()
    try:
        run = load_checkpoint(folder)
        if not run.finished:
            raise CheckpointError(
                f"{folder} is not finished ({run.images_seen:,} images so far); "
                f"go on with: {shlex.join(['digitforge-train', '--resume', '--out', str(folder)])}"
            )
        if earlier := versions_of(run.run_id, repository):
            versions = "version " + ", ".join(map(str, earlier))
            print(f"{repository} has run {run.run_id} already, as {versions}; this is another version of it")
        version = export(run, repository, folder, variants, lambda line: print(line, flush=True))
    except SignatureError as error:
        again = ["digitforge-export", str(folder), "--model-repository", str(_beside(repository))]
        again += ["--variants", ",".join(variants)] if variants else []
        return _failed(f"{error}; start another repository with: {shlex.join(again)}")
    except (CheckpointError, NotFiniteError, NothingToQuantiseError, ReferenceFileError, RepositoryError) as error:
        return _failed(error)
    print(f"exported {folder.resolve().name} as version {version} of {repository}")
    return 0


def _beside(repository: Path) -> Path:
    """Where another repository can be: its name with the first number from 2 on that is free."""
    names = (repository.with_name(f"{repository.resolve().name}-{number}") for number in count(2))
    return next(place for place in names if not place.exists())


def _variants(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := [name for name in names if name not in VARIANTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(VARIANTS)}")
    return names


def _failed(error: Exception | str) -> int:
    print(f"digitforge-export: {error}", file=sys.stderr)
    return FAILED
