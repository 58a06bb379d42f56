"""Messages: requests from what a caller gives, and results from what a server answers. No call is made here."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import numpy as np
from numpy.typing import NDArray

from digitforge.pictures.errors import PictureError
from digitforge.pictures.files import prepare_file
from digitforge.pictures.png import encode_png
from digitforge.pictures.sizes import RAW_BYTES, SIDE
from digitforge.verdict import Verdict
from protos.digits.v1 import digits_pb2 as pb

Image: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
"""An image file, 784 raw bytes, or grey levels uint8[height, width]."""

VERDICTS = {pb.Verdict.Value(f"VERDICT_{verdict.name}"): verdict for verdict in Verdict}

REFUSALS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED)


@dataclass(frozen=True)
class GeneratedDigits:
    """Images `offset` ... of a seed's stream.

    Attributes:
        images: uint8[n, 28, 28], white ink on black.
        classes: int64[n], the digit that each shows; None where the model has no classes.
        seed, offset, version: What to ask for to get the same images again.
        generator_sha256: Of the file of the model that made them, as `Model` has it: the same wherever it is served,
            where a version's number may name another model. Empty: the server is older, and does not tell it.
    """

    images: NDArray[np.uint8]
    classes: NDArray[np.int64] | None
    seed: int
    offset: int
    version: int
    generator_sha256: str


@dataclass(frozen=True)
class Score:
    """What the detector says of an image, or why it was refused.

    Attributes:
        verdict: Of all tests together: `real digit`, `generated`, `not one digit` or `nothing found`.
        real: Whether it is `real digit`.
        real_probability: 1: a real handwritten digit, 0: a generated one; 0 where nothing was found.
        version: The model version.
        normalised: The server brought the image to MNIST's form, and the answer is about the result.
        digit: The class that it is taken for, if it shows one digit at all. Like the two that follow, None where the
            model does not tell it, or where nothing was found.
        digit_probability: Of this class, among the model's classes.
        one_digit_probability: That it shows one digit, whoever made it, and nothing else.
        scored_image: What was scored, uint8[28, 28], white ink on black; None where it was not asked for. Two scores
            may be equal whose images are not.
        error: Why the image was refused; the other fields mean nothing then.
    """

    verdict: Verdict
    real: bool
    real_probability: float
    version: int
    normalised: bool = False
    digit: int | None = None
    digit_probability: float | None = None
    one_digit_probability: float | None = None
    scored_image: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    error: str | None = None


@dataclass(frozen=True)
class Model:
    """A model version that a server has.

    Attributes:
        version: Its number.
        is_default: It is what version 0 means.
        run_id: The training run that made it.
        generator_sha256: Of the generator's file; the same wherever this model is served.
        variant: The arithmetic: `fp32`, `fp16` or `int8`.
        dataset: What it was trained on.
        class_names: By class; empty where the model has no classes.
        latent_size: Normals that an image is made of.
        threshold: The `real_probability` below which a digit is taken for a generated one.
        provider: What runs it: an execution provider of ONNX Runtime.
        one_digit_threshold: The `one_digit_probability` below which an image is taken for none of a single digit; None
            where the model does not tell it.
    """

    version: int
    is_default: bool
    run_id: str
    generator_sha256: str
    variant: str
    dataset: str
    class_names: tuple[str, ...]
    latent_size: int
    threshold: float
    provider: str
    one_digit_threshold: float | None


def generated_digits(response: pb.GenerateResponse) -> GeneratedDigits:
    """An answer of Generate, or one of GenerateStream."""
    return GeneratedDigits(
        np.frombuffer(b"".join(response.images), np.uint8).reshape(-1, response.height, response.width),
        np.array(response.digits, np.int64) if response.digits else None,
        response.seed,
        response.offset,
        response.version,
        response.generator_sha256,
    )


def joined(chunks: Sequence[GeneratedDigits]) -> GeneratedDigits:
    """All chunks of a stream as one."""
    first = chunks[0]
    classes = [chunk.classes for chunk in chunks if chunk.classes is not None]
    return GeneratedDigits(
        np.concatenate([chunk.images for chunk in chunks]),
        np.concatenate(classes) if classes else None,
        first.seed,
        first.offset,
        first.version,
        first.generator_sha256,
    )


def score_request(image: Image, version: int, return_image: bool) -> pb.ScoreRequest:
    """What asks for an image's score.

    Raises:
        TypeError, ValueError: It is no image.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
        with suppress(PictureError):  # what cannot be opened here is the server's to refuse
            data = prepare_file(data)
        # 784 bytes are raw pixels or, by their first bytes, a file; any other number can only be a file.
        kind = pb.IMAGE_FORMAT_UNSPECIFIED if len(data) == RAW_BYTES else pb.IMAGE_FORMAT_PNG
    else:
        _check_array(image)
        if image.shape == (SIDE, SIDE):
            data, kind = image.tobytes(), pb.IMAGE_FORMAT_RAW
        else:
            data, kind = encode_png(image), pb.IMAGE_FORMAT_PNG
    return pb.ScoreRequest(image=data, version=version, format=kind, return_image=return_image)


def score(response: pb.ScoreResponse) -> Score:
    """An answer of Score."""
    pixels = response.scored_image
    return Score(
        _verdict(response),
        response.real,
        response.real_probability,
        response.version,
        response.normalised,
        response.digit if response.HasField("digit") else None,
        response.digit_probability if response.HasField("digit_probability") else None,
        response.one_digit_probability if response.HasField("one_digit_probability") else None,
        np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE) if pixels else None,
    )


def _verdict(response: pb.ScoreResponse) -> Verdict:
    if response.verdict == pb.VERDICT_UNSPECIFIED:  # an older server's, which knows two
        return Verdict.REAL_DIGIT if response.real else Verdict.GENERATED
    return VERDICTS.get(response.verdict, Verdict.UNSPECIFIED)


def refused(error: grpc.RpcError) -> Score | None:
    """The score of an image that was refused; None where the error says nothing of the image."""
    call: Any = error  # which it is as well
    return Score(Verdict.UNSPECIFIED, False, 0.0, 0, error=call.details()) if call.code() in REFUSALS else None


def models(response: pb.ListModelsResponse) -> list[Model]:
    """An answer of ListModels."""
    return [
        Model(
            one.version,
            one.is_default,
            one.run_id,
            one.generator_sha256,
            one.variant,
            one.dataset,
            tuple(one.class_names),
            one.latent_size,
            one.threshold,
            one.provider,
            one.one_digit_threshold if one.HasField("one_digit_threshold") else None,
        )
        for one in response.models
    ]


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
