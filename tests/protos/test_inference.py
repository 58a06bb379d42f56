"""Our contract of the Open Inference Protocol has nothing that the published one does not have."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from protos.inference import inference_pb2
from tests.triton import in_tritons_process

# What there is, by its full name: of a field its number, type, whether it is repeated, and its message or enumeration;
# of a value of an enumeration its number; of a method its messages, and which of both are streams.
DESCRIBE = """
def described(file):
    def of_message(message):
        for field in message.fields:
            kind = (field.message_type or field.enum_type)
            yield field.full_name, [field.number, field.type, field.is_repeated, kind and kind.full_name]
        for inner in message.nested_types:
            yield from of_message(inner)
    for message in file.message_types_by_name.values():
        yield from of_message(message)
    for kind in file.enum_types_by_name.values():
        for value in kind.values:
            yield kind.full_name + "." + value.name, value.number
    for service in file.services_by_name.values():
        for method in service.methods:
            messages = [method.input_type.full_name, method.output_type.full_name]
            yield method.full_name, [*messages, method.client_streaming, method.server_streaming]
"""
THEIRS = f"""
import json
from tritonclient.grpc import model_config_pb2, service_pb2
{DESCRIBE}
print(json.dumps(dict([*described(service_pb2.DESCRIPTOR), *described(model_config_pb2.DESCRIPTOR)])))
"""


def ours() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(DESCRIBE, names)
    found: Iterator[tuple[str, Any]] = names["described"](inference_pb2.DESCRIPTOR)
    return dict(found)


def test_every_name_number_and_type_is_the_published_one() -> None:
    mine, theirs = ours(), in_tritons_process(THEIRS)
    assert {name: theirs.get(name) for name in mine} == mine
    assert len(mine) > 100


def test_what_is_compared_tells_a_field_of_another_type() -> None:
    assert ours()["inference.ModelInferRequest.raw_input_contents"] == [7, FieldDescriptor.TYPE_BYTES, True, None]
