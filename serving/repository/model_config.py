"""`config.pbtxt`, beside a model's versions: what Triton, and servers that read its layout, are told of a model.

Of Triton's fields, the contract (`protos/inference/inference.proto`) has those that are obeyed here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor

from protos.inference import inference_pb2 as pb

CONFIG_FILE = "config.pbtxt"
MODEL_FILE = "model.onnx"
BACKEND, PLATFORM = "onnxruntime", "onnxruntime_onnx"
PLACE = re.compile(r"^\d+:\d+ : ")  # a line and a column before text_format's words
# Of protobuf's text format: texts, comments, names, and single signs.
TOKEN = re.compile(r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|#[^\n]*|[A-Za-z_]\w*|\S""")


class RepositoryError(Exception):
    """A repository without the version that is asked for, or a model that is not what it should be."""


@dataclass(frozen=True)
class ModelConfig:
    """What a model's file says, or what holds where there is none.

    Attributes:
        path: The file.
        fields: What it says. Their presence tells what it leaves open.
        not_obeyed: Fields that are passed over, by their paths, such as `dynamic_batching.preferred_batch_size`.
    """

    path: Path
    fields: pb.ModelConfig = field(default_factory=pb.ModelConfig)
    not_obeyed: tuple[str, ...] = ()

    @classmethod
    def read(cls, model: Path) -> "ModelConfig":
        """Of the model in a folder.

        Raises:
            RepositoryError: The file cannot be read or is none, which is told with its line, or is not for this model
                or this server.
        """
        path = model / CONFIG_FILE
        try:
            text = path.read_text()
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError) as error:  # a ValueError where it is no UTF-8
            raise RepositoryError(f"{path}: {error}") from error
        fields = pb.ModelConfig()
        readable, not_obeyed = _look_through(text)
        try:
            text_format.Parse(readable, fields, allow_unknown_field=True)
        except text_format.ParseError as error:
            raise RepositoryError(f"{path}:{error.GetLine() or 1}: {PLACE.sub('', str(error))}") from error
        _check(fields, model.name, path)
        return cls(path, fields, not_obeyed)

    @property
    def model_file(self) -> str:
        """The name of the model's file in a version's folder."""
        return self.fields.default_model_filename or MODEL_FILE

    @property
    def max_batch_size(self) -> int | None:
        """Rows of a request at most, 0 where the model takes no batches; None: the file does not say."""
        return self.fields.max_batch_size if self.fields.HasField("max_batch_size") else None

    @property
    def max_delay_s(self) -> float:
        """How long a batch that is not full waits for more."""
        return self.fields.dynamic_batching.max_queue_delay_microseconds / 1e6

    def versions(self, there: Iterable[int]) -> set[int]:
        """Which of the versions that are there are to be served."""
        policy = self.fields.version_policy
        choice = policy.WhichOneof("policy_choice")
        if choice == "all":
            return set(there)
        if choice == "specific":
            return set(there) & set(policy.specific.versions)
        return set(sorted(there)[-max(1, policy.latest.num_versions) :])


def _check(fields: pb.ModelConfig, model: str, path: Path) -> None:
    """Raises RepositoryError where a value cannot be meant for this model and this server."""
    for name, value, fits in (
        ("name", fields.name, (model,)),
        ("backend", fields.backend, (BACKEND,)),
        ("platform", fields.platform, (PLATFORM,)),
    ):
        if value and value not in fits:
            raise RepositoryError(f"{path}: {name} is {value!r}, and can only be {fits[0]!r} here")
    if fields.max_batch_size < 0:
        raise RepositoryError(f"{path}: max_batch_size is {fields.max_batch_size}, and must be at least 0")
    if (name := fields.default_model_filename) and Path(name).name != name:
        raise RepositoryError(f"{path}: default_model_filename is {name!r}, no name of a file in a version's folder")


def _look_through(text: str) -> tuple[str, tuple[str, ...]]:
    """A text with `name: [` for `name [`, and the paths of the fields in it that the contract does not have.

    Both are the same to protobuf, but not in what it passes over. A text that is none comes back somehow.
    """
    parts, end, unknown = [], 0, []
    fields: Any = pb.ModelConfig.DESCRIPTOR
    # Of each message that is open: its path, and its fields where they are known.
    open_messages: list[tuple[str, Descriptor | None]] = [("", fields)]
    named = open_messages[0]  # the last field
    tokens = [found for found in TOKEN.finditer(text) if not found[0].startswith("#")]
    for found, after in zip(tokens, [*(token[0] for token in tokens[1:]), ""], strict=False):
        token = found[0]
        if token in ("{", "<"):
            open_messages.append(named)
        elif token in ("}", ">") and len(open_messages) > 1:
            named = open_messages.pop()
        elif token.isidentifier() and after in (":", "[", "{", "<"):
            if after == "[":
                parts += [text[end : found.end()], ":"]
                end = found.end()
            path, known = open_messages[-1]
            if known is None:
                continue  # within a message that is passed over as a whole
            name = f"{path}.{token}" if path else token
            if (descriptor := known.fields_by_name.get(token)) is None:
                unknown.append(name)
            named = (name, descriptor.message_type if descriptor else None)
    return "".join((*parts, text[end:])), tuple(dict.fromkeys(unknown))
