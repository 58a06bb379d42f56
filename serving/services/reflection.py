"""Server reflection, as v1 and as v1alpha: which services there are, and the descriptors of their messages.

v1 is v1alpha under another name, with the same messages on the wire: grpcio-reflection, which has v1alpha alone,
answers both.
"""

from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_reflection.v1alpha import reflection, reflection_pb2

SERVICES = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)
V1_FILE = "grpc/reflection/v1/reflection.proto"


def add_reflection(services: Iterable[str], server: Any) -> None:
    """Register both versions.

    Args:
        services: Full names of the other services; their descriptors are in protobuf's default pool.
        server: Registers as a grpc.aio.Server does.
    """
    _know_v1()
    servicer = reflection.aio.ReflectionServicer([*services, *SERVICES])
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in SERVICES:
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})])


def _know_v1() -> None:
    """Put v1's own descriptor into protobuf's default pool."""
    alpha = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(alpha)
    file = text_format.Parse(
        text_format.MessageToString(alpha).replace("v1alpha", "v1"), descriptor_pb2.FileDescriptorProto()
    )
    file.name = V1_FILE
    file.options.ClearField("deprecated")
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
