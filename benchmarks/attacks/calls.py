"""The methods that are called by hand, and their messages as they go on the wire."""

import gzip

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from protos.digits.v1 import digits_pb2 as pb
from serving.transport.http2.messages import prefixed

GENERATE = "/digits.v1.Digits/Generate"
GENERATE_STREAM = "/digits.v1.Digits/GenerateStream"
SCORE = "/digits.v1.Digits/Score"
SCORE_STREAM = "/digits.v1.Digits/ScoreStream"
WATCH = "/grpc.health.v1.Health/Watch"
LIST = "/grpc.health.v1.Health/List"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def generate(n: int, seed: int = 7) -> bytes:
    """A request for images."""
    return prefixed(pb.GenerateRequest(seed=seed, n=n).SerializeToString())


def score(image: bytes) -> bytes:
    """A request for an image's verdict."""
    return prefixed(pb.ScoreRequest(image=image).SerializeToString())


def health(service: str) -> bytes:
    """A question about a service."""
    return prefixed(health_pb2.HealthCheckRequest(service=service).SerializeToString())


def symbol(name: str) -> bytes:
    """A question for the file that describes a symbol."""
    return prefixed(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name).SerializeToString())


def message(body: bytes) -> bytes:
    """Any bytes as a message."""
    return prefixed(body)


def compressed(body: bytes) -> bytes:
    """A message by gzip, flagged as such."""
    small = gzip.compress(body)
    return b"\1" + len(small).to_bytes(4, "big") + small
