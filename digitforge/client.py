"""A client for Python: digits as NumPy arrays.

with Client("localhost:50051") as client:
    digits = client.generate(64, seed=7)         # .images uint8[64, 28, 28], .classes, .seed ...
    client.score(digits.images[0])               # .verdict, .real_probability, .digit ...

`AsyncClient` is the same for asyncio.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import ArrayLike, NDArray

from digitforge import messages
from digitforge.connection import Endpoint
from digitforge.errors import in_our_words
from digitforge.messages import GeneratedDigits, Image, Model, Score
from digitforge.pipeline import Pipeline
from digitforge.resumption import DigitStream
from protos.digits.v1 import digits_pb2 as pb
from protos.digits.v1 import digits_pb2_grpc


class Client:
    """A connection to a server, or to several. Close it, or use it as a context manager.

    Every call may raise a `DigitforgeError`: `UnreachableError`, `InvalidArgumentError` and others. Threads may share a
    client.

    What a server refuses for now, or what is lost with its connection, is tried again: four times in all and within
    the call's time, with growing pauses or when the server says, and at another server where there are several. That
    is safe, because equal requests have equal answers. Only `is_serving` is not repeated: it asks for this moment.

    Args:
        address: Such as `localhost:50051`; several, or a text with commas, are asked in turn. None: what
            `DIGITFORGE_CLIENT_ADDRESS` says, else `localhost:50051`.
        timeout_s: What a call is given, with its repetitions, and a stream for its next images. None: what
            `DIGITFORGE_CLIENT_TIMEOUT_S` says, else 60.

    Raises:
        ValueError: It is no address, or no time.
        UnreachableError: One name among several is not known.
    """

    def __init__(self, address: str | Sequence[str] | None = None, *, timeout_s: float | None = None) -> None:
        endpoint = Endpoint.of(address, timeout_s)
        self.addresses, self.timeout_s = endpoint.addresses, endpoint.timeout_s
        self._channel = grpc.insecure_channel(endpoint.target, options=endpoint.options)
        self._stub = digits_pb2_grpc.DigitsStub(self._channel)
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)  # whose methods its types leave out
        self._inference: Any = None

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
        """Any number of images at once; without a seed, one is drawn."""
        return messages.joined(list(self.generate_stream(n, seed=seed, offset=offset, digit=digit, version=version)))

    def generate_stream(
        self, n: int, *, seed: int | None = None, offset: int = 0, digit: int | None = None, version: int = 0
    ) -> Iterator[GeneratedDigits]:
        """The same in chunks as they come, in order, for more images than memory holds.

        A stream that breaks goes on at its offset, with the version that it began with: no image is lost or comes
        twice. It waits up to `timeout_s` for a server that is there again.
        """
        stream = DigitStream(n, seed, offset, digit, version, self.addresses)
        while not stream.is_complete:
            call = self._stub.GenerateStream(stream.request(), timeout=self.timeout_s, wait_for_ready=stream.has_begun)
            try:
                for response in call:
                    yield stream.take(response)
                stream.end()
            except grpc.RpcError as error:
                stream.end(error)
            finally:
                call.cancel()

    def score(self, image: Image, *, version: int = 0, return_image: bool = False) -> Score:
        """What an image is: an image file's bytes, 784 raw bytes, or grey levels uint8[height, width].

        All but 784 raw bytes and uint8[28, 28] is brought to MNIST's form by the server; see docs/scoring.md. With
        `return_image` the score has the image of 28x28 that was scored.

        Raises:
            TypeError: It is neither bytes nor an array of uint8.
            ValueError: An array of another shape.
        """
        with in_our_words(self.addresses):
            request = messages.score_request(image, version, return_image)
            return messages.score(self._stub.Score(request, timeout=self.timeout_s))

    def score_stream(self, images: Iterable[Image], *, version: int = 0, return_image: bool = False) -> Iterator[Score]:
        """The same for many images, in order; a refused image has an `error`, and the others go on.

        Up to 64 images, of 16 MiB together, are taken before the first score is given. Each is a call of its own and
        repeated like one: the images that have their scores already are not sent again.

        Raises:
            TypeError, ValueError: As of `score`, when it comes to that image.
        """
        with closing(Pipeline(self._begin_score, version, return_image)) as pipeline:
            for image in images:
                for call in pipeline.put(image):
                    yield self._score(call)
            for call in pipeline.rest():
                yield self._score(call)

    def models(self) -> list[Model]:
        """The model versions that the server has, ascending."""
        with in_our_words(self.addresses):
            return messages.models(self._stub.ListModels(pb.ListModelsRequest(), timeout=self.timeout_s))

    def infer(
        self, model: str, inputs: Mapping[str, ArrayLike], *, outputs: Sequence[str] = (), version: int = 0
    ) -> dict[str, NDArray[Any]]:
        """What any model of the server makes of arrays, by the Open Inference Protocol (version 2).

        It is a call to any server that speaks it. No process that has loaded Triton's client can make it: both have
        messages of the same names.

        Args:
            model: The model's name.
            inputs: All its inputs by their names, of its types and shapes; texts are of str or bytes.
            outputs: Names of those that are wanted; none: all.
            version: The model's version, 0: the newest.

        Returns:
            The outputs by their names; texts are objects, all bytes.

        Raises:
            TypeError: An input is of a type that the protocol does not have.
            InvalidArgumentError: The server says what is wrong with one.
            NotFoundError: It has no such model, or no such version.
        """
        from digitforge import inference  # not before it is wanted; see there

        request = inference.request_of(model, inputs, outputs, version)
        if self._inference is None:
            self._inference = inference.Stub(self._channel)
        with in_our_words(self.addresses):
            return inference.arrays_of(self._inference.ModelInfer(request, timeout=self.timeout_s))

    def is_serving(self, service: str = "") -> bool:
        """Whether the server says that it serves, or one of its services does, such as `digits.v1.Digits`.

        Raises:
            NotFoundError: There is no such service.
        """
        request = health_pb2.HealthCheckRequest(service=service)
        with in_our_words(self.addresses):
            answer = self._health.Check(request, timeout=self.timeout_s)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _begin_score(self, request: pb.ScoreRequest) -> Any:
        return self._stub.Score.future(request, timeout=self.timeout_s)

    def _score(self, call: Any) -> Score:
        with in_our_words(self.addresses):
            try:
                return messages.score(call.result())
            except grpc.RpcError as error:
                if (refusal := messages.refused(error)) is None:
                    raise
                return refusal
