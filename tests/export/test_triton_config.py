"""`config.pbtxt` is what Triton reads: it parses as Triton's published ModelConfig, and says what the file has."""

from pathlib import Path
from typing import Any

import onnx
import pytest

from export.signature import Shape, tensors_of
from export.triton_config import config_pbtxt
from tests.triton import in_tritons_process

SHIPPED = Path(__file__).parents[2] / "models"
TYPES = {"float32": "TYPE_FP32", "int64": "TYPE_INT64", "uint8": "TYPE_UINT8"}
# Unknown fields and values are errors.
PARSE = """
import sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2
config = text_format.Parse(sys.stdin.read(), model_config_pb2.ModelConfig())
print(json_format.MessageToJson(config, preserving_proto_field_name=True))
"""


def parse(text: str) -> Any:
    return in_tritons_process(PARSE, text=text)


def check(folder: Path) -> None:
    """A model's config against its newest file."""
    config = parse((folder / "config.pbtxt").read_text())
    assert config["name"] == folder.name
    assert config["backend"] == "onnxruntime"
    assert config["max_batch_size"] > 0
    assert "dynamic_batching" in config
    tensors = tensors_of(onnx.load(max(folder.glob("*/model.onnx"))))
    for found, expected in ((config["input"], tensors.inputs), (config["output"], tensors.outputs)):
        assert {tensor["name"]: described(tensor) for tensor in found} == {
            name: (TYPES[dtype], shape[1:]) for name, (dtype, shape) in expected.items()
        }


def described(tensor: Any) -> tuple[str, Shape]:
    return tensor["data_type"], tuple(map(int, tensor["dims"]))


@pytest.mark.parametrize("model", ["generator", "discriminator"])
@pytest.mark.parametrize("repository", ["model_repository", "classless_repository"])
def test_triton_reads_the_config_of_an_exported_model(
    repository: str, model: str, request: pytest.FixtureRequest
) -> None:
    check(request.getfixturevalue(repository) / model)


@pytest.mark.parametrize("model", ["generator", "discriminator"])
def test_triton_reads_the_config_of_the_shipped_model(model: str) -> None:
    check(SHIPPED / model)
    tensors = tensors_of(onnx.load(max((SHIPPED / model).glob("*/model.onnx"))))
    assert parse((SHIPPED / model / "config.pbtxt").read_text()) == parse(config_pbtxt(model, tensors))


def test_a_field_that_triton_does_not_know_is_an_error() -> None:
    with pytest.raises(AssertionError, match="max_batch_sise"):
        parse('name: "generator" max_batch_sise: 3')
