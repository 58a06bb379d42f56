"""Writing a version into the model repository: both models or none, never over another, one signature for all.

    generator/      config.pbtxt   1/model.onnx   2/model.onnx
    discriminator/  config.pbtxt   1/model.onnx   2/model.onnx

A version exists when both models are there, so each is written beside and renamed into place, the discriminator
first and the generator last.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import onnx
from filelock import FileLock, Timeout
from google.protobuf.message import DecodeError

from digitforge.machine.whole_file import naming
from digitforge.version_numbers import LAST, version_number
from export.signature import Tensors, tensors_of
from export.triton_config import config_pbtxt

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
ORDER = (DISCRIMINATOR, GENERATOR)  # the order in which they appear: the generator completes a version
MODEL_FILE, CONFIG = "model.onnx", "config.pbtxt"
BESIDE = ".exporting-"
LOCK_PATIENCE_S = 60


class RepositoryError(Exception):
    """The repository cannot take this version."""


class SignatureError(RepositoryError):
    """Its models have another signature; another repository can take it."""


def add_version(repository: Path, signature: Mapping[str, Tensors], write: Callable[[Mapping[str, Path]], None]) -> int:
    """Add the next version, once both of its models are written and verified.

    Args:
        repository: The model repository's folder; made where it is not there.
        signature: Inputs and outputs by model.
        write: Writes and verifies a version: called with an empty folder for each model, by the model's name.

    Returns:
        The new version's number.

    Raises:
        SignatureError: The repository holds models of another signature.
        RepositoryError: It holds the last number that there can be, or another export holds its lock.
        NotWrittenError: The disk is full, or the folder cannot be written to.
    """
    try:
        with naming(repository):
            repository.mkdir(parents=True, exist_ok=True)
            with FileLock(repository / ".lock", timeout=LOCK_PATIENCE_S):
                return _add_version(repository, signature, write)
    except Timeout as error:
        raise RepositoryError(f"{repository} is locked by another export") from error


def _add_version(
    repository: Path, signature: Mapping[str, Tensors], write: Callable[[Mapping[str, Path]], None]
) -> int:
    for leftover in repository.glob(f"*/{BESIDE}*"):  # of an export that was killed: we hold the lock
        shutil.rmtree(leftover)
    for model in ORDER:
        _check_signature(repository / model, signature[model])
    # Also past a half-written version: its number may be in somebody's cache.
    version = max((number for model in ORDER for number in _versions(repository / model)), default=0) + 1
    if version > LAST:
        raise RepositoryError(f"{repository} has a version {LAST}, and no number can follow it")
    with _folders_beside(repository) as beside:
        folders = {model: folder / str(version) for model, folder in beside.items()}
        for folder in folders.values():
            folder.mkdir()
        write(folders)
        for folder in folders.values():
            for path in (*folder.iterdir(), folder):
                _sync(path)
        for model in ORDER:
            config = repository / model / CONFIG
            if not config.exists():  # one for all versions; somebody may have tuned it since
                (beside[model] / CONFIG).write_text(config_pbtxt(model, signature[model]))
                _sync(beside[model] / CONFIG)
                os.replace(beside[model] / CONFIG, config)
            folders[model].rename(repository / model / str(version))
            _sync(repository / model)
    return version


@contextmanager
def _folders_beside(repository: Path) -> Iterator[dict[str, Path]]:
    """A temporary folder for each model, beside its versions: in the repository's own folder, Triton, which takes every
    folder for a model, would refuse to start on what a killed export left. Beside versions it passes over such names.
    """
    with ExitStack() as stack:
        beside = {}
        for model in ORDER:
            folder = repository / model
            if not folder.exists():
                folder.mkdir()
                stack.callback(_remove_if_empty, folder)
            beside[model] = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=BESIDE, dir=folder)))
        yield beside


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _check_signature(model: Path, expected: Tensors) -> None:
    files = [file for number in _versions(model) if (file := model / str(number) / MODEL_FILE).exists()]
    if not files:
        (model / CONFIG).unlink(missing_ok=True)  # it speaks for versions that are gone
        return
    try:
        found = tensors_of(onnx.load(files[-1], load_external_data=False))
    except DecodeError as error:
        raise RepositoryError(f"{files[-1]} cannot be read: {error}") from error
    if found != expected:
        raise SignatureError(
            f"all versions of a repository share one signature: {files[-1]} has {found}, this run has {expected}"
        )


def _versions(model: Path) -> list[int]:
    if not model.is_dir():
        return []
    numbers = (version_number(path.name) for path in model.iterdir())
    return sorted(number for number in numbers if number is not None)


def _sync(path: Path) -> None:
    """Bring a file or folder to the disk, so that a rename never outlives what it names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
