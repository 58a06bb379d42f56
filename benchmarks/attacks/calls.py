"""The methods that are called by hand, and their messages as they go on the wire."""

import gzip

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


def compressed(message: bytes) -> bytes:
    """A message by gzip, flagged as such."""
    body = gzip.compress(message)
    return b"\1" + len(body).to_bytes(4, "big") + body
