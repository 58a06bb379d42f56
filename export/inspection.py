"""What an exported version is, as text: its tensors, what it is worth, how it was trained, and its files' hashes.

All of it is read from the files; no model is run, and torch is not needed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from digitforge.version_numbers import version_number
from export.signature import Shape, tensors_of

PREFIX = "digitforge."
MODELS = ("generator", "discriminator")
# How it was trained, in this order; what is not listed follows under "metadata".
TRAINING = ("run_id", "preset", "dataset", "images_seen", "training_seconds", "source_commit", "config_hash")
OWN_PLACE = ("quality", "config")


class NothingToInspectError(Exception):
    """A path that leads to no exported model, or to one that cannot be read."""


def inspect(path: Path) -> str:
    """Describe what a path leads to.

    Args:
        path: A version of a repository (`models@N`), one model of it (`models/generator/N`) or a file in that; or a
            whole repository (`models`, or `models/generator`), as a line for each version.

    Raises:
        NothingToInspectError: There is no exported model, or it cannot be read.
    """
    if path.is_file():
        return _describe_file(path)
    repository, _, version = str(path).rpartition("@")
    if repository and version.isdecimal() and not path.exists():
        return "\n\n".join(inspect(Path(repository) / model / version) for model in MODELS)
    if not path.is_dir():
        raise NothingToInspectError(f"{path} does not exist")
    if files := sorted(path.glob("*.onnx")):
        others = [other for other in sorted(path.iterdir()) if other.is_file() and other not in files]
        beside = [f"{other}  sha256 {_sha256(other)}" for other in others]
        return "\n\n".join([*(_describe_file(file) for file in files), *(["\n".join(beside)] if beside else [])])
    if path.name in MODELS and _versions(path):
        path = path.parent
    if not any(_versions(path / model) for model in MODELS):
        raise NothingToInspectError(f"{path} is neither a version of a model nor a repository that holds one")
    return _describe_repository(path)


def versions_of(run_id: str, repository: Path) -> list[int]:
    """The versions of a repository whose generator was made by this run; one that cannot be read is passed over."""
    found = []
    for version in sorted(_versions(repository / "generator")):
        with suppress(NothingToInspectError, OSError):
            if _metadata(_load(repository / "generator" / str(version) / "model.onnx")).get("run_id") == run_id:
                found.append(version)
    return found


def _describe_repository(repository: Path) -> str:
    """A line for each version and model, and what is not complete."""
    lines = [f"{repository}"]
    for version in sorted({number for model in MODELS for number in _versions(repository / model)}):
        folders = {model: repository / model / str(version) for model in MODELS}
        missing = [model for model, folder in folders.items() if not (folder / "model.onnx").is_file()]
        about = {
            model: _metadata(_load(folder / "model.onnx")) for model, folder in folders.items() if model not in missing
        }
        runs = {values.get("run_id", "unknown") for values in about.values()}
        state = f"not complete: it has no {' and no '.join(missing)}" if missing else "complete"
        if len(runs) > 1:
            state = "not a pair: its models come from different runs"
        lines.append(f"version {version}  {state}  run {', '.join(sorted(runs))}")
        for model, values in about.items():
            quality = _json(values.get("quality", "{}"))
            shown = ("frechet_ratio", "auroc") if model == "generator" else ("auroc",)
            figures = "  ".join(f"{name} {quality[name]:g}" for name in shown if name in quality)
            files = ", ".join(path.name for path in sorted(folders[model].glob("*.onnx")))
            lines.append(f"  {folders[model]}  {files}  {figures}")
    return "\n".join(lines)


def _describe_file(path: Path) -> str:
    """One ONNX file, in paragraphs."""
    model = _load(path)
    values = _metadata(model)
    tensors = tensors_of(model)
    opset = next((entry.version for entry in model.opset_import if not entry.domain), "unknown")
    parameters = sum(
        _count(tensor.dims) for tensor in model.graph.initializer if tensor.data_type != onnx.TensorProto.INT64
    )
    rows: list[tuple[str, Iterable[tuple[str, str]]]] = [
        (
            "file",
            (
                ("sha256", _sha256(path)),
                ("bytes", f"{path.stat().st_size:,}"),
                ("opset", str(opset)),
                ("nodes", f"{len(model.graph.node):,}"),
                ("numbers in weights", f"{parameters:,}"),
            ),
        ),
        ("inputs", ((name, _tensor(*kind)) for name, kind in tensors.inputs.items())),
        ("outputs", ((name, _tensor(*kind)) for name, kind in tensors.outputs.items())),
        ("quality", ((name, f"{figure:g}") for name, figure in _json(values.get("quality", "{}")).items())),
        ("training", ((name, values[name]) for name in TRAINING if name in values)),
        ("training config", ((name, json.dumps(value)) for name, value in _json(values.get("config", "{}")).items())),
        (
            "metadata",
            ((name, value) for name, value in sorted(values.items()) if name not in (*TRAINING, *OWN_PLACE)),
        ),
    ]
    return "\n".join([str(path), *(_paragraph(title, list(entries)) for title, entries in rows)])


def _paragraph(title: str, entries: list[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in entries), default=0)
    return "\n".join(
        [f"  {title}", *(f"    {name.ljust(width)}  {value}" for name, value in entries or [("none", "")])]
    )


def _load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise NothingToInspectError(f"{path} cannot be read as ONNX: {error}") from error
    if not model.graph.output:  # protobuf takes an empty or a foreign file for a message without fields
        raise NothingToInspectError(f"{path} is no ONNX model: it has no outputs")
    return model


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    """By name, without the prefix."""
    return {entry.key.removeprefix(PREFIX): entry.value for entry in model.metadata_props}


def _json(text: str) -> Mapping[str, float]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise NothingToInspectError(f"the metadata holds {text!r}, which is no JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def _tensor(dtype: str, shape: Shape) -> str:
    return f"{dtype}[{', '.join(map(str, shape))}]"


def _versions(model: Path) -> list[int]:
    if not model.is_dir():
        return []
    numbers = (version_number(path.name) for path in model.iterdir() if path.is_dir())
    return [number for number in numbers if number is not None]


def _count(dims: Iterable[int]) -> int:
    product = 1
    for dim in dims:
        product *= dim
    return product


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
