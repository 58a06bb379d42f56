"""The bytes of a GenerateResponse, put together without a Python object for each image.

Of 64 images, protobuf's own way takes 64 copies into 64 objects, a message of them and its serialisation; here all
images are copied once into their places between the field's prefixes. The bytes are the same.
"""

import numpy as np
from numpy.typing import NDArray

from protos.digits.v1 import digits_pb2 as pb

IMAGES_TAG = pb.GenerateResponse.DESCRIPTOR.fields_by_name["images"].number << 3 | 2  # length-delimited


def raw_response(images: NDArray[np.uint8], fields: pb.GenerateResponse) -> bytes:
    """A serialised GenerateResponse with raw images.

    Args:
        images: uint8[n, height, width].
        fields: All else that the answer holds. The images' field has the lowest number, so they come first.
    """
    count, height, width = images.shape
    prefix = bytes((IMAGES_TAG, *varint(height * width)))
    if count == 1:
        return b"".join((prefix, images.tobytes(), fields.SerializeToString()))
    block = np.empty((count, len(prefix) + height * width), np.uint8)
    block[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    block[:, len(prefix) :] = images.reshape(count, height * width)
    return b"".join(
        (block.reshape(-1).data, fields.SerializeToString())
    )  # of megabytes a copy takes as long as all else


def varint(number: int) -> bytes:
    """A positive number in protobuf's variable-length form: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
