"""`digits.v1.Digits` over gRPC: messages to calls of the data plane, and refusals to statuses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any

import grpc

from digitforge.pictures import images
from digitforge.pictures.decoded import Decoded
from digitforge.pictures.errors import PictureError
from digitforge.pictures.header import check_header
from digitforge.pictures.png import encode_pngs
from digitforge.pictures.sizes import SIDE
from digitforge.verdict import Verdict
from protos.digits.v1 import digits_pb2 as pb
from serving.digits.data_plane import DataPlane, Digits, GenerateOrder, Score
from serving.digits.pair import Pair
from serving.digits.picture_line import PictureLine
from serving.engine.fair_queue import ASKER
from serving.errors import InvalidArgumentError, RefusedError
from serving.services.call import Context, deadline, peer, refuse
from serving.services.in_order import in_order
from serving.services.window import Window
from serving.services.wire import raw_response

SERVICE = pb.DESCRIPTOR.services_by_name["Digits"].full_name
FORMATS = frozenset(pb.ImageFormat.values())
VERDICTS: dict[Verdict, pb.Verdict] = {verdict: getattr(pb, f"VERDICT_{verdict.name}") for verdict in Verdict}
STREAM_WINDOW = 64  # requests of a ScoreStream in work at a time ...
STREAM_BYTES = 16 << 20  # ... and of their images; one that is larger is in work alone
STREAM_PICTURES = 4  # of a ScoreStream in the line for pictures at a time: its others wait here, and are never refused
SOME_IMAGES = 512  # raw, up to so many are put together at once: 400 kB, in 0.3 ms
FEW_IMAGES = 16  # as PNG, up to so many are encoded at once; more in a thread, which costs a switch


class DigitsServicer:
    """The calls. Every refusal of the data plane ends in `refuse`, or in ScoreStream in its answer's `error`.

    Generate and GenerateStream answer with serialised messages.

    Args:
        data_plane: Does the work.
        pictures: Decodes what is not to be decoded here.
    """

    def __init__(self, data_plane: DataPlane, pictures: PictureLine) -> None:
        self._data_plane = data_plane
        self._pictures = pictures

    async def Generate(self, request: pb.GenerateRequest, context: Context) -> bytes:
        ASKER.set(peer(context))
        try:
            order = self._order(request, self._data_plane.settings.max_images)
            digits = await self._data_plane.generate(order, deadline(context))
            if (response := response_at_once(order, digits, request.format)) is not None:  # most, without a coroutine
                return response
            return await generate_response(order, digits, request.format)
        except RefusedError as error:
            await refuse(context, error)

    async def GenerateStream(self, request: pb.GenerateRequest, context: Context) -> AsyncIterator[bytes]:
        ASKER.set(peer(context))
        try:
            order = self._order(request, self._data_plane.settings.max_stream_images)
            async for digits in self._data_plane.generate_chunks(order, deadline(context)):
                yield await generate_response(order, digits, request.format)
        except RefusedError as error:
            await refuse(context, error)

    async def Score(self, request: pb.ScoreRequest, context: Context) -> pb.ScoreResponse:
        ASKER.set(peer(context))
        try:
            return await self._score(request, context, nullcontext())
        except RefusedError as error:
            await refuse(context, error)

    async def ScoreStream(
        self, requests: AsyncIterator[pb.ScoreRequest], context: Context
    ) -> AsyncIterator[pb.ScoreResponse]:
        ASKER.set(peer(context))
        pictures = asyncio.Semaphore(STREAM_PICTURES)

        async def answer(request: pb.ScoreRequest) -> pb.ScoreResponse:
            try:
                return await self._score(request, context, pictures)
            except RefusedError as error:
                return pb.ScoreResponse(error=error.status())

        window = Window(STREAM_WINDOW, STREAM_BYTES)
        async with aclosing(in_order(requests, answer, lambda request: len(request.image), window)) as answers:
            async for response in answers:
                yield response

    async def ListModels(
        self,
        request: pb.ListModelsRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.ListModelsResponse:
        versions = sorted(self._data_plane.versions.items())
        return pb.ListModelsResponse(
            models=[model_message(pair, number == self._data_plane.default) for number, pair in versions]
        )

    def _order(self, request: pb.GenerateRequest, limit: int) -> GenerateOrder:
        check_format(request.format)
        return self._data_plane.order(
            seed=request.seed if request.HasField("seed") else None,
            n=request.n if request.HasField("n") else None,
            offset=request.offset,
            digit=request.digit if request.HasField("digit") else None,
            version=request.version,
            limit=limit,
        )

    async def _score(
        self, request: pb.ScoreRequest, context: Context, turn: AbstractAsyncContextManager[None]
    ) -> pb.ScoreResponse:
        """Score an image; a picture that is not decoded here waits for its turn among its call's before."""
        check_format(request.format)
        data = request.image  # once: each time it is a copy
        is_file = request.format == pb.IMAGE_FORMAT_PNG or (
            request.format == pb.IMAGE_FORMAT_UNSPECIFIED and images.looks_like_file(data)
        )
        self._data_plane.version(request.version)  # refused, if it is to be, before a picture is worked on
        try:
            if not is_file:
                decoded = images.decode_raw(data)
            elif (at_once := images.decode_in_place(data, self._data_plane.settings.max_image_pixels)) is not None:
                decoded = at_once
            else:
                check_header(data)
                async with turn:
                    decoded = await self._pictures.decode(data, peer(context), deadline(context))
        except PictureError as error:
            raise InvalidArgumentError("image", str(error)) from error
        score = await self._data_plane.score(decoded, request.version, deadline(context))
        return score_response(score, decoded, request.return_image)


def add_digits_servicer(servicer: DigitsServicer, server: Any) -> None:
    """Register the calls, as `add_DigitsServicer_to_server` would, but for those that answer in bytes."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Generate": grpc.unary_unary_rpc_method_handler(servicer.Generate, pb.GenerateRequest.FromString),
        "GenerateStream": grpc.unary_stream_rpc_method_handler(servicer.GenerateStream, pb.GenerateRequest.FromString),
        "Score": grpc.unary_unary_rpc_method_handler(
            servicer.Score, pb.ScoreRequest.FromString, pb.ScoreResponse.SerializeToString
        ),
        "ScoreStream": grpc.stream_stream_rpc_method_handler(
            servicer.ScoreStream, pb.ScoreRequest.FromString, pb.ScoreResponse.SerializeToString
        ),
        "ListModels": grpc.unary_unary_rpc_method_handler(
            servicer.ListModels, pb.ListModelsRequest.FromString, pb.ListModelsResponse.SerializeToString
        ),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])


def check_format(value: int) -> None:
    """Raises InvalidArgumentError if it is no known ImageFormat; proto3 lets any number pass."""
    if value not in FORMATS:
        known = ", ".join(f"{number} ({name})" for name, number in pb.ImageFormat.items())
        raise InvalidArgumentError("format", f"{value} is no image format; known are {known}")


def response_fields(order: GenerateOrder, digits: Digits) -> pb.GenerateResponse:
    """All that an answer says of generated images, without them."""
    return pb.GenerateResponse(
        height=SIDE,
        width=SIDE,
        digits=digits.classes.tolist() if digits.classes is not None else None,
        seed=order.seed,
        offset=digits.offset,
        version=order.version.number,
        generator_sha256=order.version.generator_sha256,
    )


def response_at_once(order: GenerateOrder, digits: Digits, image_format: int) -> bytes | None:
    """The serialised message for raw images, if they are so few that it is put together at once; None for others."""
    if image_format == pb.IMAGE_FORMAT_PNG or len(digits.images) > SOME_IMAGES:
        return None
    return raw_response(digits.images, response_fields(order, digits))


async def generate_response(order: GenerateOrder, digits: Digits, image_format: int) -> bytes:
    """The serialised message for generated images, in the format that was asked for."""
    if (response := response_at_once(order, digits, image_format)) is not None:
        return response
    fields = response_fields(order, digits)
    if image_format != pb.IMAGE_FORMAT_PNG:
        return await asyncio.to_thread(raw_response, digits.images, fields)
    if len(digits.images) <= FEW_IMAGES:
        fields.images.extend(encode_pngs(digits.images))
    else:
        fields.images.extend(await asyncio.to_thread(encode_pngs, digits.images))
    return fields.SerializeToString()


def score_response(score: Score, image: Decoded, return_image: bool) -> pb.ScoreResponse:
    """What Score tells of an image; a field that is None is absent."""
    seen = score.seen
    return pb.ScoreResponse(
        real_probability=seen.real_probability,
        version=score.version,
        real=score.verdict is Verdict.REAL_DIGIT,
        normalised=image.normalised,
        verdict=VERDICTS[score.verdict],
        digit=seen.digit,
        digit_probability=seen.digit_probability,
        one_digit_probability=seen.one_digit_probability,
        scored_image=image.pixels.tobytes() if return_image else None,
    )


def model_message(pair: Pair, is_default: bool) -> pb.Model:
    """What ListModels tells of a version."""
    return pb.Model(
        version=pair.number,
        is_default=is_default,
        run_id=pair.metadata.run_id,
        generator_sha256=pair.generator_sha256,
        variant=pair.variant,
        dataset=pair.metadata.dataset,
        class_names=pair.metadata.class_names,
        latent_size=pair.metadata.latent_size,
        threshold=pair.thresholds.real,
        provider=pair.provider,
        one_digit_threshold=pair.thresholds.one_digit,
    )
