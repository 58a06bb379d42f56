"""What is refused, with which status, and what clients are told of it."""

import queue
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from protos.digits.v1 import digits_pb2 as pb

Refusal = Callable[[Callable[[], Any]], tuple[grpc.StatusCode, str, list[Message]]]
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def assert_bad_request(refused: tuple[grpc.StatusCode, str, list[Message]], field: str, *words: str) -> None:
    code, message, details = refused
    assert code == INVALID
    assert message.startswith(f"{field}: ")
    for word in words:
        assert word in message
    (bad_request,) = details
    assert bad_request.DESCRIPTOR.full_name == "google.rpc.BadRequest"
    (violation,) = bad_request.field_violations  # type: ignore[attr-defined]
    assert violation.field == field
    assert message == f"{field}: {violation.description}"


@pytest.mark.parametrize("method", ["Generate", "GenerateStream"])
@pytest.mark.parametrize(
    ("request_", "field", "words"),
    [
        (pb.GenerateRequest(n=0), "n", ["0 images", "at least 1"]),
        (pb.GenerateRequest(n=2, offset=2**64 - 1), "offset", [f"{2**64 - 1} + 2", "2^64"]),
        (pb.GenerateRequest(digit=10), "digit", ["10", "0 to 9"]),
        (pb.GenerateRequest(digit=2**32 - 1), "digit", [f"{2**32 - 1}", "0 to 9"]),
        (pb.GenerateRequest(format=7), "format", ["7", "IMAGE_FORMAT_RAW", "IMAGE_FORMAT_PNG"]),  # type: ignore[arg-type]
    ],
)
def test_order_out_of_bounds_is_refused_with_field_value_and_limit(
    stub: Any, refusal: Refusal, method: str, request_: pb.GenerateRequest, field: str, words: list[str]
) -> None:
    def call() -> None:
        answer = getattr(stub, method)(request_)
        if method == "GenerateStream":
            list(answer)

    assert_bad_request(refusal(call), field, *words)


def test_more_images_than_an_answer_holds_are_refused_with_the_limit_and_the_way_out(
    stub: Any, refusal: Refusal
) -> None:
    refused = refusal(lambda: stub.Generate(pb.GenerateRequest(n=4097)))
    assert_bad_request(refused, "n", "4097", "4096", "GenerateStream")


def test_longer_stream_than_the_limit_is_refused(stub: Any, refusal: Refusal) -> None:
    refused = refusal(lambda: list(stub.GenerateStream(pb.GenerateRequest(n=10_000_001))))
    assert_bad_request(refused, "n", "10000001", "10000000")


def test_digit_of_a_model_without_classes_is_refused(classless_stub: Any, refusal: Refusal) -> None:
    refused = refusal(lambda: classless_stub.Generate(pb.GenerateRequest(digit=3)))
    assert_bad_request(refused, "digit", "3", "version 1 has no classes")


def test_version_that_is_not_served_is_not_found(stub: Any, refusal: Refusal) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: stub.Generate(pb.GenerateRequest(version=3)),
        lambda: list(stub.GenerateStream(pb.GenerateRequest(version=3))),
        lambda: stub.Score(pb.ScoreRequest(image=bytes(784), version=3)),
    ]
    for call in calls:
        code, message, _ = refusal(call)
        assert code == grpc.StatusCode.NOT_FOUND
        assert message == "version: 3 is not served; served are [1, 2]"


def png_of(width: int, height: int) -> bytes:
    """The header and no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


@pytest.mark.parametrize(
    ("request_", "field", "words"),
    [
        (pb.ScoreRequest(), "image", ["784", "has 0"]),
        (pb.ScoreRequest(image=bytes(783)), "image", ["784", "has 783"]),
        (pb.ScoreRequest(image=bytes(784), format=pb.IMAGE_FORMAT_PNG), "image", ["784 bytes that are neither"]),
        (pb.ScoreRequest(image=png_of(28, 28), format=pb.IMAGE_FORMAT_RAW), "image", ["784", "has 45"]),
        (pb.ScoreRequest(image=png_of(6000, 5000)), "image", ["6000x5000 = 30000000 pixels", "limit is 25000000"]),
        (pb.ScoreRequest(image=png_of(50_000, 50_000)), "image", ["2500000000", "limit of 25000000"]),
        (pb.ScoreRequest(image=png_of(28, 28)), "image", ["damaged"]),
        (pb.ScoreRequest(image=b"GIF89a and then nothing"), "image", ["neither"]),
        (pb.ScoreRequest(image=bytes(784), format=3), "format", ["3"]),  # type: ignore[arg-type]
    ],
)
def test_image_that_is_none_is_refused_with_what_it_is(
    stub: Any, refusal: Refusal, request_: pb.ScoreRequest, field: str, words: list[str]
) -> None:
    assert_bad_request(refusal(lambda: stub.Score(request_)), field, *words)


def test_message_beyond_the_limit_is_refused_and_the_connection_lives_on(stub: Any, refusal: Refusal) -> None:
    code, message, _ = refusal(lambda: stub.Score(pb.ScoreRequest(image=bytes(17 * 2**20))))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(16 * 2**20) in message
    assert len(stub.Generate(pb.GenerateRequest()).images) == 1


def test_full_queue_is_told_with_figures_and_when_to_try_again(
    start_server: Callable[..., Any], connect: Callable[[str], Any], refusal: Refusal
) -> None:
    limits = ("--max-queue-rows", "100", "--max-images", "100", "--stream-chunk-images", "100")
    stub = connect(start_server(*limits, "--max-delay-ms", "10000").address)
    # Of three calls for 60, whichever comes first waits for its batch to fill, and the others find no room.
    calls = [stub.Generate.future(pb.GenerateRequest(n=60)) for _ in range(3)]
    refused: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for call in calls:
        call.add_done_callback(refused.put)
    refused_call, second = refused.get(timeout=60), refused.get(timeout=60)
    (waiting,) = set(calls) - {refused_call, second}
    assert not waiting.done()
    waiting.cancel()
    code, message, details = refusal(refused_call.result)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "60 rows are waiting and 60 more would pass the limit of 100" in message
    (retry,) = details
    assert retry.DESCRIPTOR.full_name == "google.rpc.RetryInfo"
    delay_ms = retry.retry_delay.ToMilliseconds()  # type: ignore[attr-defined]
    assert delay_ms > 0
    # The same for gRPC's own retries (gRFC A6).
    assert dict(refused_call.trailing_metadata())["grpc-retry-pushback-ms"] == str(delay_ms)


def test_stream_waits_for_room_once_it_has_begun(
    start_server: Callable[..., Any], connect: Callable[[str], Any]
) -> None:
    limits = ("--max-queue-rows", "100", "--max-images", "100", "--stream-chunk-images", "100")
    address = start_server(*limits).address
    streams = [connect(address).GenerateStream(pb.GenerateRequest(seed=1, n=20_000)) for _ in range(4)]
    whole = 0
    for stream in streams:
        first = None
        with suppress(grpc.RpcError):  # a stream may be refused before its first image, and nowhere else
            first = next(stream)
        if first is not None:
            assert sum((len(chunk.images) for chunk in stream), len(first.images)) == 20_000
            whole += 1
    assert whole


def test_unknown_method_is_unimplemented(channel: grpc.Channel, refusal: Refusal) -> None:
    call: Any = channel.unary_unary("/digits.v1.Digits/Train")
    code, _, _ = refusal(lambda: call(b""))
    assert code == grpc.StatusCode.UNIMPLEMENTED
