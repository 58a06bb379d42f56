"""What h2load does not see: whether the answers are what they should be, and how fast a client in Python gets them."""

import statistics
import time
from typing import Any

import grpc

from benchmarks.serving_load.contender import INFER, Place, infer_target
from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc
from protos.inference import inference_pb2
from serving.transport.http2.messages import PREFIX_BYTES

TRIES = 200


def check_ours(place: Place) -> None:
    """Raises AssertionError unless a seed's images come again, whole and each another, whatever the call."""
    with grpc.insecure_channel(f"127.0.0.1:{place.port}") as channel:
        stub = digits_pb2_grpc.DigitsStub(channel)
        whole = stub.Generate(pb.GenerateRequest(seed=7, n=max(8, place.n)))
        assert len(set(whole.images)) == len(whole.images)
        assert {len(image) for image in whole.images} == {784}
        again = stub.Generate(pb.GenerateRequest(seed=7, n=3, offset=4))
        assert list(again.images) == list(whole.images[4:7])


def python_client_ms(place: Place) -> float:
    """The median time of one call after another by grpcio's own client, in milliseconds."""
    durations = []
    with grpc.insecure_channel(f"127.0.0.1:{place.port}") as channel:
        stub = digits_pb2_grpc.DigitsStub(channel)
        for _ in range(TRIES):
            start = time.perf_counter()
            response = stub.Generate(pb.GenerateRequest(n=place.n))
            durations.append(time.perf_counter() - start)
            assert len(response.images) == place.n
    return statistics.median(durations) * 1000


def scores(place: Place, as_png: bool) -> bytes:
    """A serialised ScoreRequest of a generated image, from the server itself."""
    with grpc.insecure_channel(f"127.0.0.1:{place.port}") as channel:
        stub = digits_pb2_grpc.DigitsStub(channel)
        image_format = pb.IMAGE_FORMAT_PNG if as_png else pb.IMAGE_FORMAT_RAW
        (image,) = stub.Generate(pb.GenerateRequest(seed=7, format=image_format)).images
        request = pb.ScoreRequest(image=image, format=image_format)
        assert 0 <= stub.Score(request).real_probability <= 1
        return request.SerializeToString()


def inferred(place: Place) -> bytes:
    """The pixels that a server of the Open Inference Protocol makes of the latents that every one is asked by."""
    with grpc.insecure_channel(f"127.0.0.1:{place.port}") as channel:
        infer: Any = channel.unary_unary(INFER, None, inference_pb2.ModelInferResponse.FromString)
        response = infer(infer_target(place).body[PREFIX_BYTES:])
    if response.raw_output_contents:
        return bytes(response.raw_output_contents[0])
    return bytes(response.outputs[0].contents.uint_contents)  # as the protocol types bytes
