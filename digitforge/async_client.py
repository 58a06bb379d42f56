"""The client for asyncio: the methods, arguments and results are those of `Client`.

async with AsyncClient("localhost:50051") as client:
    digits = await client.generate(64, seed=7)
    async for score in client.score_stream(digits.images): ...
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
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


class AsyncClient:
    """See `Client`. Make it within the event loop that is to use it."""

    def __init__(self, address: str | Sequence[str] | None = None, *, timeout_s: float | None = None) -> None:
        asyncio.get_running_loop()  # raises where none is running: gRPC would take another one than the calls
        endpoint = Endpoint.of(address, timeout_s)
        self.addresses, self.timeout_s = endpoint.addresses, endpoint.timeout_s
        self._channel = grpc.aio.insecure_channel(endpoint.target, options=endpoint.options)
        self._stub = digits_pb2_grpc.DigitsStub(self._channel)
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)  # whose methods its types leave out
        self._inference: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def generate(
        self, n: int = 1, *, seed: int | None = None, offset: int = 0, digit: int | None = None, version: int = 0
    ) -> GeneratedDigits:
        """See `Client.generate`."""
        stream = self.generate_stream(n, seed=seed, offset=offset, digit=digit, version=version)
        return messages.joined([chunk async for chunk in stream])

    async def generate_stream(
        self, n: int, *, seed: int | None = None, offset: int = 0, digit: int | None = None, version: int = 0
    ) -> AsyncIterator[GeneratedDigits]:
        """See `Client.generate_stream`. Left early, it ends at the server once it is closed (`contextlib.aclosing`)."""
        stream = DigitStream(n, seed, offset, digit, version, self.addresses)
        while not stream.is_complete:
            call = self._stub.GenerateStream(stream.request(), timeout=self.timeout_s, wait_for_ready=stream.has_begun)
            try:
                async for response in call:
                    yield stream.take(response)
                stream.end()
            except grpc.RpcError as error:
                stream.end(error)
            finally:
                call.cancel()

    async def score(self, image: Image, *, version: int = 0, return_image: bool = False) -> Score:
        """See `Client.score`."""
        with in_our_words(self.addresses):
            request = messages.score_request(image, version, return_image)
            return messages.score(await self._stub.Score(request, timeout=self.timeout_s))

    async def score_stream(
        self, images: Iterable[Image] | AsyncIterable[Image], *, version: int = 0, return_image: bool = False
    ) -> AsyncIterator[Score]:
        """See `Client.score_stream`; the images may also come asynchronously."""
        with closing(Pipeline(self._begin_score, version, return_image)) as pipeline:
            async for image in _each(images):
                for call in pipeline.put(image):
                    yield await self._score(call)
            for call in pipeline.rest():
                yield await self._score(call)

    async def models(self) -> list[Model]:
        """See `Client.models`."""
        with in_our_words(self.addresses):
            return messages.models(await self._stub.ListModels(pb.ListModelsRequest(), timeout=self.timeout_s))

    async def infer(
        self, model: str, inputs: Mapping[str, ArrayLike], *, outputs: Sequence[str] = (), version: int = 0
    ) -> dict[str, NDArray[Any]]:
        """See `Client.infer`."""
        from digitforge import inference  # not before it is wanted; see there

        request = inference.request_of(model, inputs, outputs, version)
        if self._inference is None:
            self._inference = inference.Stub(self._channel)
        with in_our_words(self.addresses):
            return inference.arrays_of(await self._inference.ModelInfer(request, timeout=self.timeout_s))

    async def is_serving(self, service: str = "") -> bool:
        """See `Client.is_serving`."""
        request = health_pb2.HealthCheckRequest(service=service)
        with in_our_words(self.addresses):
            answer = await self._health.Check(request, timeout=self.timeout_s)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _begin_score(self, request: pb.ScoreRequest) -> Any:
        return self._stub.Score(request, timeout=self.timeout_s)

    async def _score(self, call: Any) -> Score:
        with in_our_words(self.addresses):
            try:
                return messages.score(await call)
            except grpc.RpcError as error:
                if (refusal := messages.refused(error)) is None:
                    raise
                return refusal


async def _each(images: Iterable[Image] | AsyncIterable[Image]) -> AsyncIterator[Image]:
    if isinstance(images, AsyncIterable):
        async for image in images:
            yield image
    else:
        for image in images:
            yield image
