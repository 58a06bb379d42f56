"""`config.pbtxt`: what is taken from it, what is passed over, and what is refused."""

from pathlib import Path

import pytest

from serving.repository.model_config import ModelConfig
from serving.repository.model_repository import RepositoryError

FULL = """
# As Triton's documentation writes them: with and without colons, commas and quotation marks of both kinds.
name: "m"
platform: 'onnxruntime_onnx'
max_batch_size: 8
input [
  { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] reshape { shape: [ 3 ] } },
  { name: "y{[" data_type: TYPE_INT64, dims: 3; format: FORMAT_NHWC }
]
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 1500 }
instance_group [ { count: 2 kind: KIND_CPU } ]
optimization < execution_accelerators { gpu_execution_accelerator : [ { name: "tensorrt" } ] } >
parameters: { key: "a" value: { string_value: "b { c: [" } }
default_model_filename: "net.onnx"
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    folder.mkdir()
    return folder


def read(model: Path, text: str) -> ModelConfig:
    (model / "config.pbtxt").write_text(text)
    return ModelConfig.read(model)


def test_what_is_obeyed_is_read_and_all_else_is_named(model: Path) -> None:
    config = read(model, FULL)
    assert (config.max_batch_size, config.max_delay_s, config.model_file) == (8, 0.0015, "net.onnx")
    assert [(each.name, list(each.dims)) for each in config.fields.input] == [("x", [-1, 3]), ("y{[", [3])]
    assert config.not_obeyed == (
        "input.reshape",
        "input.format",
        "dynamic_batching.preferred_batch_size",
        "instance_group",
        "optimization",
        "parameters",
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", None])
def test_file_that_says_nothing_and_none_leave_it_all_open(model: Path, text: str | None) -> None:
    config = ModelConfig.read(model) if text is None else read(model, text)
    assert (config.max_batch_size, config.max_delay_s, config.model_file) == (None, 0, "model.onnx")
    assert (config.versions([1, 2, 10]), config.not_obeyed) == ({10}, ())


def test_no_batches_is_said_by_a_zero_and_not_by_saying_nothing(model: Path) -> None:
    assert read(model, "max_batch_size: 0").max_batch_size == 0


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("all { }", {1, 2, 10}),
        ("latest { num_versions: 2 }", {2, 10}),
        ("latest { }", {10}),
        ("specific { versions: [ 1, 7, 10 ] }", {1, 10}),
        ("specific { versions: 7 }", set()),
    ],
)
def test_policy_chooses_of_the_versions_that_are_there(model: Path, policy: str, versions: set[int]) -> None:
    assert read(model, f"version_policy: {{ {policy} }}").versions([1, 2, 10]) == versions


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('name: "m"\nmax_batch_size: many', 2, "max_batch_size: many"),
        ("max_batch_size: 99999999999", 1, "out of range"),
        ("\n\ninput [ { name: 'x' }", 3, "Expected"),
        ("input {\n data_type: TYPE_FP23\n}", 2, "TYPE_FP23"),
        ("}", 1, "}"),
        ("\x00", 1, "Expected identifier"),
    ],
)
def test_garbage_is_refused_by_file_and_line(model: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(RepositoryError) as refused:
        read(model, text)
    assert str(refused.value).startswith(f"{model / 'config.pbtxt'}:{line}: ")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name: "n"', "name is 'n', and can only be 'm'"),
        ('backend: "python"', "backend is 'python', and can only be 'onnxruntime'"),
        ('platform: "tensorflow_savedmodel"', "'tensorflow_savedmodel'"),
        ("max_batch_size: -1", "max_batch_size is -1"),
        ('default_model_filename: "../../secret.onnx"', "'../../secret.onnx'"),
    ],
)
def test_what_cannot_be_meant_for_this_model_is_refused_with_its_value(model: Path, text: str, words: str) -> None:
    with pytest.raises(RepositoryError) as refused:
        read(model, text)
    assert str(refused.value).startswith(f"{model / 'config.pbtxt'}: ")
    assert words in str(refused.value)


def test_file_that_is_no_text_is_refused_by_its_path(model: Path) -> None:
    (model / "config.pbtxt").write_bytes(b"\xff\xfe")
    with pytest.raises(RepositoryError, match=str(model / "config.pbtxt")):
        ModelConfig.read(model)
