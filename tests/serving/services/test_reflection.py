"""Clients that know nothing of a service find out all by reflection, of either version, on either transport."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_database, descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from serving.services.digits import SERVICE
from serving.services.reflection import V1_FILE, add_reflection
from tests.serving.transport.either import PATIENCE_S, TRANSPORTS, serving

V1, V1ALPHA = "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"


@pytest.fixture(params=[(transport, version) for transport in TRANSPORTS for version in (V1, V1ALPHA)], ids="-".join)
def ask(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Asks a server of digits and reflection: `ask({"list_services": ""}, ...)`, in the version's own messages."""
    transport, version = request.param

    async def answers(*questions: dict[str, Any]) -> list[Any]:
        async with (
            serving(transport, lambda server: add_reflection([SERVICE], server)) as address,
            grpc.aio.insecure_channel(address) as channel,
        ):
            method = descriptor_pool.Default().FindServiceByName(version).methods_by_name["ServerReflectionInfo"]
            question, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            call: Any = channel.stream_stream(
                f"/{version}/ServerReflectionInfo", question.SerializeToString, answer.FromString
            )
            return [each async for each in call(iter([question(**asked) for asked in questions]))]

    return lambda *questions: asyncio.run(asyncio.wait_for(answers(*questions), PATIENCE_S))


def pool_of(answers: list[Any]) -> descriptor_pool.DescriptorPool:
    """What a client knows that has only these answers."""
    database = descriptor_database.DescriptorDatabase()
    for answer in answers:
        for file in answer.file_descriptor_response.file_descriptor_proto:
            database.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
    return descriptor_pool.DescriptorPool(database)


def test_every_service_is_listed(ask: Callable[..., list[Any]]) -> None:
    (answer,) = ask({"list_services": ""})
    assert [service.name for service in answer.list_services_response.service] == [SERVICE, V1, V1ALPHA]


def test_every_listed_service_can_be_described_down_to_its_messages_fields(ask: Callable[..., list[Any]]) -> None:
    pool = pool_of(ask(*({"file_containing_symbol": name} for name in (SERVICE, V1, V1ALPHA))))
    generate = pool.FindServiceByName(SERVICE).methods_by_name["Generate"]
    assert {"seed", "n", "offset", "digit", "version", "format"} <= {field.name for field in generate.input_type.fields}
    for version in (V1, V1ALPHA):
        method = pool.FindServiceByName(version).methods_by_name["ServerReflectionInfo"]
        assert (method.client_streaming, method.server_streaming) == (True, True)
        assert method.output_type.full_name == version.replace("ServerReflection", "ServerReflectionResponse")
        assert method.output_type.fields_by_name["original_request"].message_type is method.input_type
        assert pool.FindServiceByName(version).file.GetOptions().deprecated == (version == V1ALPHA)


def test_symbol_that_is_not_there_is_not_found_and_the_stream_goes_on(ask: Callable[..., list[Any]]) -> None:
    missing, file = ask({"file_containing_symbol": "digits.v1.Letters"}, {"file_by_filename": V1_FILE})
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert missing.original_request.file_containing_symbol == "digits.v1.Letters"
    assert pool_of([file]).FindFileByName(V1_FILE).package == "grpc.reflection.v1"
