"""The hand-made bytes of an answer against protobuf's own."""

import numpy as np
import pytest

from protos.digits.v1 import digits_pb2 as pb
from serving.services.wire import raw_response, varint


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (1000, 28, 28), (2, 7, 9), (2, 200, 100)])
@pytest.mark.parametrize(
    "fields",
    [
        pb.GenerateResponse(),
        pb.GenerateResponse(
            height=28, width=28, digits=[0, 5, 9], seed=2**64 - 1, offset=2**63, version=7, generator_sha256="0a" * 32
        ),
    ],
)
def test_response_is_the_bytes_that_protobuf_would_write(
    shape: tuple[int, int, int], fields: pb.GenerateResponse
) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    expected = pb.GenerateResponse(images=[image.tobytes() for image in images])
    expected.MergeFrom(fields)
    assert raw_response(images, fields) == expected.SerializeToString()


@pytest.mark.parametrize("number", [1, 127, 128, 784, 16_383, 16_384, 2**32 - 1])
def test_varint_is_what_protobuf_writes(number: int) -> None:
    height_field = bytes([pb.GenerateResponse.DESCRIPTOR.fields_by_name["height"].number << 3])
    assert height_field + varint(number) == pb.GenerateResponse(height=number).SerializeToString()
