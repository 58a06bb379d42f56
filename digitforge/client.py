"""A client for Python: digits as NumPy arrays.

with DigitsClient("localhost:50051") as client:
    digits = client.generate(64, seed=7)         # .images uint8[64, 28, 28], .classes, .seed ...
    client.score(digits.images[0])               # .real_probability, .real
"""

import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc
import numpy as np
from numpy.typing import NDArray

from digitforge.pictures.png import encode_png
from digitforge.pictures.sizes import RAW_BYTES, SIDE
from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc

Image: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
"""An image file, 784 raw bytes, or grey levels uint8[height, width]."""

PORT = 50051  # the server's default
TIMEOUT_S = 60.0
IN_FLIGHT = 64  # images that score_stream has on their way, which share the server's batches ...
IN_FLIGHT_BYTES = 16 << 20  # ... and of how many bytes; a larger one goes alone
LARGE_BYTES = 1000  # beyond, an image is a call of its own; no server has a limit below 1,024
REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED)
RETRIES = """{
  "methodConfig": [{
    "name": [{"service": "digits.v1.Digits"}],
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    }
  }]
}"""


@dataclass(frozen=True)
class GeneratedDigits:
    """Images `offset` ... of a seed's stream.

    Attributes:
        images: uint8[n, 28, 28], white ink on black.
        classes: int64[n], the digit that each shows; None where the model has no classes.
        seed, offset, version: What to ask for to get the same images again.
    """

    images: NDArray[np.uint8]
    classes: NDArray[np.int64] | None
    seed: int
    offset: int
    version: int


@dataclass(frozen=True)
class Verdict:
    """The detector's answer for an image, or why it was refused.

    Attributes:
        real_probability: 1: a real handwritten digit, 0: a generated one.
        real: The verdict at the model's threshold.
        version: The model version.
        normalised: The image was not 28x28: the server brought it to MNIST's form, and the answer is about the result.
        error: Why the image was refused; the other fields mean nothing then.
    """

    real_probability: float
    real: bool
    version: int
    normalised: bool = False
    error: str | None = None


class DigitsClient:
    """A connection to a server. Close it, or use it as a context manager. Every call may raise `grpc.RpcError`.

    Args:
        address: Such as `localhost:50051`.
        timeout_s: Of a call that is no stream.
    """

    def __init__(self, address: str = f"localhost:{PORT}", timeout_s: float = TIMEOUT_S) -> None:
        self._channel = grpc.insecure_channel(
            address,
            options=[("grpc.service_config", RETRIES), ("grpc.max_receive_message_length", 64 * 2**20)],
        )
        self._stub = digits_pb2_grpc.DigitsStub(self._channel)
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def generate(
        self, n: int = 1, *, seed: int | None = None, offset: int = 0, digit: int | None = None, version: int = 0
    ) -> GeneratedDigits:
        """Any number of images at once; the server draws a seed where none is given."""
        chunks = list(self.generate_stream(n, seed=seed, offset=offset, digit=digit, version=version))
        classes = [chunk.classes for chunk in chunks if chunk.classes is not None]
        first = chunks[0]
        return GeneratedDigits(
            np.concatenate([chunk.images for chunk in chunks]),
            np.concatenate(classes) if classes else None,
            first.seed,
            first.offset,
            first.version,
        )

    def generate_stream(
        self, n: int, *, seed: int | None = None, offset: int = 0, digit: int | None = None, version: int = 0
    ) -> Iterator[GeneratedDigits]:
        """The same in chunks as they come, in order, for more images than memory holds."""
        request = pb.GenerateRequest(seed=seed, n=n, offset=offset, digit=digit, version=version)
        for response in self._stub.GenerateStream(request):
            yield GeneratedDigits(
                np.frombuffer(b"".join(response.images), np.uint8).reshape(-1, response.height, response.width),
                np.array(response.digits, np.int64) if response.digits else None,
                response.seed,
                response.offset,
                response.version,
            )

    def score(self, image: Image, *, version: int = 0) -> Verdict:
        """Whether an image is real: an image file's bytes, 784 raw bytes, or grey levels uint8[height, width].

        What is not 28x28 is brought to MNIST's form by the server; see docs/scoring.md.

        Raises:
            TypeError: It is neither bytes nor an array of uint8.
            ValueError: An array of another shape.
        """
        return _verdict(self._stub.Score(_score_request(image, version), timeout=self._timeout_s))

    def score_stream(self, images: Iterable[Image], *, version: int = 0) -> Iterator[Verdict]:
        """The same for many images, in order; a refused image has an `error`, and the others go on.

        Up to `IN_FLIGHT` images are taken before the first verdict is given. A large image is a call of its own: one
        beyond the server's limit would end the stream with all others.

        Raises:
            TypeError, ValueError: As of `score`, when it comes to that image.
        """
        small: queue.SimpleQueue[pb.ScoreRequest | None] = queue.SimpleQueue()
        answers = self._stub.ScoreStream(iter(small.get, None))
        in_flight: deque[tuple[Any, int]] = deque()  # the call of a large image, or None for the stream's; and bytes

        def verdict() -> Verdict:
            call, _ = in_flight.popleft()
            return _verdict(next(answers)) if call is None else _verdict_or_refusal(call)

        try:
            for image in images:
                request = _score_request(image, version)
                size = len(request.image)
                while in_flight and sum(others for _, others in in_flight) + size > IN_FLIGHT_BYTES:
                    yield verdict()
                if size > LARGE_BYTES:
                    in_flight.append((self._stub.Score.future(request, timeout=self._timeout_s), size))
                else:
                    small.put(request)
                    in_flight.append((None, size))
                if len(in_flight) == IN_FLIGHT:
                    yield verdict()
            while in_flight:
                yield verdict()
        finally:
            small.put(None)
            answers.cancel()
            for call, _ in in_flight:
                if call is not None:
                    call.cancel()


def _score_request(image: Image, version: int) -> pb.ScoreRequest:
    if isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
        # 784 bytes are raw pixels or, by their first bytes, a file; any other number can only be a file.
        kind = pb.IMAGE_FORMAT_UNSPECIFIED if len(data) == RAW_BYTES else pb.IMAGE_FORMAT_PNG
        return pb.ScoreRequest(image=data, version=version, format=kind)
    _check_array(image)
    if image.shape != (SIDE, SIDE):
        return pb.ScoreRequest(image=encode_png(image), version=version, format=pb.IMAGE_FORMAT_PNG)
    return pb.ScoreRequest(image=image.tobytes(), version=version, format=pb.IMAGE_FORMAT_RAW)


def _check_array(image: Any) -> None:
    """Raises TypeError or ValueError if it is not uint8[height, width]."""
    if isinstance(image, str | os.PathLike):
        raise TypeError(f"{image!r} is a path; an image is a file's bytes (Path.read_bytes()) or uint8[height, width]")
    if not isinstance(image, np.ndarray):
        raise TypeError(f"{type(image).__name__} is no image; one is a file's bytes or an array uint8[height, width]")
    found = f"an image is uint8[height, width], white ink 255 on black 0; this is {image.dtype}{list(image.shape)}"
    if image.dtype == np.bool_:
        raise TypeError(f"{found}: convert it by image * np.uint8(255)")
    if np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"{found}: if its levels go from 0 to 1, convert it by (image * 255).round().astype(np.uint8)")
    if image.dtype != np.uint8:
        raise TypeError(f"{found}: if its levels go from 0 to 255, convert it by image.astype(np.uint8)")
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        raise ValueError(f"{found}: if these are colours, make them grey by PIL.Image.fromarray(image).convert('L')")
    if image.ndim == 3:
        raise ValueError(f"{found}: if these are several images, give them to score_stream")
    if image.ndim != 2 or image.size == 0:
        raise ValueError(found)


def _verdict(response: pb.ScoreResponse) -> Verdict:
    error = response.error.message if response.HasField("error") else None
    return Verdict(response.real_probability, response.real, response.version, response.normalised, error)


def _verdict_or_refusal(call: Any) -> Verdict:
    """Wait for a call's answer."""
    try:
        return _verdict(call.result())
    except grpc.RpcError as error:
        if error.code() not in REFUSALS:
            raise
        return Verdict(0.0, False, 0, error=error.details())
