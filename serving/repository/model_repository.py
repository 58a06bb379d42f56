"""The model repository as the server reads it: which models and versions there are, and what a pair says of itself.

    generator/1/model.onnx  discriminator/1/model.onnx  another-model/1/model.onnx  ...

Of the digits, a version is a pair. It exists when both models are there, and they must come from the same training run.
Any other model stands alone.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TypeVar

from digitforge.version_numbers import version_number
from serving.repository.model_config import CONFIG_FILE, ModelConfig
from serving.repository.model_config import MODEL_FILE as MODEL_FILE
from serving.repository.model_config import RepositoryError as RepositoryError

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
PAIR = (GENERATOR, DISCRIMINATOR)
FP32 = "fp32"
PREFIX = "digitforge."
SCHEMA = 1
ONE_DIGIT, NONE = "one_digit_threshold", "none"  # a key that older files lack, and what it holds where there is none
# Exports here, then the pretrained pair: of the checkout that we are in, of a wheel (setup.py puts it there), or of the
# checkout that an editable install leads to.
HERE = Path(__file__).parent
DEFAULT_PLACES = (Path("artifacts/models"), Path("models"), HERE / "models", HERE.parents[1] / "models")

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class ModelMetadata:
    """What a model's file says of itself, as far as the server needs it; other keys are passed over.

    `verified_on` is empty, and `one_digit_threshold` None, where the file does not say it.
    """

    run_id: str
    dataset: str
    classes: int
    latent_size: int
    threshold: float
    one_digit_threshold: float | None
    verified_on: str
    class_names: tuple[str, ...]  # by class; without a name of their own, they are called by their numbers

    @classmethod
    def read(cls, properties: Mapping[str, str], path: Path) -> "ModelMetadata":
        """From an ONNX file's `metadata_props`.

        Raises:
            RepositoryError: A key is missing or holds what it must not; the message names the file and the key.
        """

        def get(name: str) -> str:
            if PREFIX + name not in properties:
                raise RepositoryError(f"{path}: its metadata has no {PREFIX}{name}")
            return properties[PREFIX + name]

        def number(name: str, kind: Callable[[str], Number]) -> Number:
            try:
                return kind(get(name))
            except ValueError as error:
                what = "whole number" if kind is int else "number"
                raise RepositoryError(f"{path}: its metadata's {PREFIX}{name} is {get(name)!r}, no {what}") from error

        if (schema := number("schema", int)) != SCHEMA:
            raise RepositoryError(f"{path}: its metadata has schema {schema}, this server reads {SCHEMA}")
        classes = number("classes", int)
        return cls(
            run_id=get("run_id"),
            dataset=get("dataset"),
            classes=classes,
            latent_size=number("latent_size", int),
            threshold=number("threshold", float),
            one_digit_threshold=(
                None if properties.get(PREFIX + ONE_DIGIT, NONE) == NONE else number(ONE_DIGIT, float)
            ),
            verified_on=properties.get(PREFIX + "verified_on", ""),
            class_names=_class_names(properties.get(PREFIX + "class_names"), classes, path),
        )


def _class_names(text: str | None, classes: int, path: Path) -> tuple[str, ...]:
    if text is None:
        return tuple(map(str, range(classes)))
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or len(names) != classes or not all(isinstance(name, str) for name in names):
        raise RepositoryError(
            f"{path}: its metadata's {PREFIX}class_names is {text!r}, no JSON list of the names of {classes} classes"
        )
    return tuple(names)


def holds_pair(repository: Path) -> bool:
    """Whether `generator` and `discriminator` are the digits' pair there: both are, so neither stands alone."""
    return all((repository / model).is_dir() for model in PAIR)


def other_models(repository: Path) -> list[str]:
    """The names of the models beside the pair: of folders with a `config.pbtxt` or a version's folder."""
    if not repository.is_dir():
        return []
    taken = PAIR if holds_pair(repository) else ()
    return sorted(
        folder.name
        for folder in repository.iterdir()
        if folder.name not in taken
        and not folder.name.startswith(".")
        and folder.is_dir()
        and ((folder / CONFIG_FILE).is_file() or any(version_number(inner.name) for inner in folder.iterdir()))
    )


def complete_versions(repository: Path) -> list[int]:
    """The numbers of the versions of which both models of the pair are there, ascending.

    Raises:
        RepositoryError: The `config.pbtxt` of one is garbage.
    """
    generators, discriminators = (versions_of(folder, ModelConfig.read(folder)) for folder in _folders(repository))
    return sorted(generators.keys() & discriminators.keys())


def _folders(repository: Path) -> list[Path]:
    return [repository / model for model in PAIR]


def versions_of(model: Path, config: ModelConfig) -> dict[int, Path]:
    """The files of all versions of a model, by their numbers, ascending."""
    paths = {version_number(path.parent.name): path for path in model.glob(f"*/{escape(config.model_file)}")}
    return {number: paths[number] for number in sorted(number for number in paths if number is not None)}


def model_path(repository: Path, model: str, version: int, variant: str = FP32) -> Path:
    """Where a version of a model of the pair lies: its file, or `model.<variant>.onnx` beside it.

    Raises:
        RepositoryError: The version was exported without this variant.
    """
    folder = repository / model / str(version)
    if variant == FP32:
        return folder / ModelConfig.read(repository / model).model_file
    path = folder / f"model.{variant}.onnx"
    if not path.exists():
        raise RepositoryError(
            f"variant {variant} is asked for, but there is no {path}; there are "
            f"{sorted(other.name for other in folder.glob('model*.onnx'))}"
        )
    return path


def find_repository(given: Path | None) -> Path:
    """The repository to serve: the given one, else the first of the usual places that holds a version of anything.

    Raises:
        RepositoryError: None does, the given one is no folder, or the `config.pbtxt` of the only models is garbage.
    """
    if given is not None and not given.is_dir():
        raise RepositoryError(f"model_repository = {str(given)!r}: {'no folder' if given.exists() else 'not there'}")
    places = [given] if given is not None else list(DEFAULT_PLACES)
    for place in places:
        others = set(other_models(place)) - (set() if given else set(PAIR))  # a half of ours may be in the writing
        if others or complete_versions(place):
            return place
    raise RepositoryError(nothing_in(*places))


def nothing_in(*places: Path) -> str:
    """What is missing there, for a person."""
    return (
        f"no complete model version in {' or '.join(map(str, places))}: a version N is there when both "
        f"{GENERATOR}/N/{MODEL_FILE} and {DISCRIMINATOR}/N/{MODEL_FILE} are (make one with digitforge-export), or "
        f"NAME/N/{MODEL_FILE} of any other model"
    )


def choose_versions(repository: Path, asked: list[int]) -> list[int]:
    """The versions of the pair to serve: those asked for, or those that the `version_policy` of both models chooses.

    Where there is no policy, it chooses the highest.

    Raises:
        RepositoryError: One that was asked for is not complete, or the policies have none in common.
    """
    there = complete_versions(repository)
    for version in asked:
        if version not in there:
            raise RepositoryError(f"version {version} is not complete in {repository}; complete are {there}")
    if asked:
        return sorted(set(asked))
    chosen = set.intersection(*(ModelConfig.read(folder).versions(there) for folder in _folders(repository)))
    if there and not chosen:
        raise RepositoryError(
            f"{repository}: of the complete versions {there}, the version_policy of {GENERATOR} and that of "
            f"{DISCRIMINATOR} choose none in common"
        )
    return sorted(chosen)
