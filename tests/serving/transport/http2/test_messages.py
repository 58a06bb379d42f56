"""gRPC's own layer on HTTP/2: messages in a body, timeouts, statuses, metadata."""

import gzip
import random
import zlib

import grpc
import pytest

from serving.transport.http2.messages import (
    MessageError,
    MessageReader,
    Received,
    metadata_fields,
    metadata_of,
    prefixed,
    status_fields,
    timeout_s,
)

LIMIT = 1000
PACKED = gzip.compress(b"abc", mtime=0)  # without the time, as it names tests


def received(reader: MessageReader, data: bytes) -> list[Received]:
    """The messages that are whole with some bytes more."""
    block, start, found = reader.feed(data), 0, []
    for _ in range(block.messages):
        message, start = block.part(start)
        found.append(message)
    assert start == len(block.data)
    return found


def compressed(message: bytes) -> bytes:
    return b"\1" + prefixed(message)[1:]


@pytest.mark.parametrize("seed", range(5))
def test_messages_come_out_as_they_went_in_however_the_body_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    messages = [chance.randbytes(chance.choice((0, 1, 4, 5, 6, 100, LIMIT))) for _ in range(30)]
    body = b"".join(map(prefixed, messages))
    reader, found = MessageReader(b"identity", LIMIT), []
    while body:
        size = chance.choice((1, 2, 5, 7, 300, 3000))
        found += received(reader, body[:size])
        body = body[size:]
    assert found == [(0, message) for message in messages]
    assert reader.is_between_messages


def test_body_that_ends_within_a_message_is_told() -> None:
    reader = MessageReader(b"identity", LIMIT)
    assert received(reader, prefixed(b"abc")[:-1]) == []
    assert not reader.is_between_messages


def test_message_beyond_the_limit_is_refused_before_it_has_come() -> None:
    reader = MessageReader(b"identity", LIMIT)
    with pytest.raises(MessageError, match="1001 bytes is larger than the limit of 1000") as refusal:
        reader.feed(prefixed(bytes(LIMIT + 1))[:5])
    assert refusal.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def inflated(reader: MessageReader, received: Received, step: int = 300) -> bytes:
    inflation = reader.inflation(received)
    while inflation.step(step) == step:
        pass
    return inflation.plain()


@pytest.mark.parametrize(("encoding", "compress"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_compressed_message_is_read_and_so_is_a_plain_one_beside_it(encoding: bytes, compress: object) -> None:
    reader = MessageReader(encoding, LIMIT)
    body = compressed(compress(b"a" * LIMIT)) + prefixed(b"plain")  # type: ignore[operator]
    packed, plain = received(reader, body)
    assert (inflated(reader, packed), plain) == (b"a" * LIMIT, (0, b"plain"))


def test_message_that_swells_beyond_the_limit_is_refused() -> None:
    with pytest.raises(MessageError, match="more than 1000") as refusal:
        inflated(MessageReader(b"gzip", LIMIT), (1, gzip.compress(bytes(LIMIT * 100))))
    assert refusal.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("encoding", "flag"), [(b"identity", 1), (b"gzip", 2)])
def test_flag_without_its_encoding_is_refused(encoding: bytes, flag: int) -> None:
    with pytest.raises(MessageError):
        MessageReader(encoding, LIMIT).inflation((flag, b"abc"))


@pytest.mark.parametrize("data", [b"no gzip", PACKED[:-1], PACKED + b"d"])
def test_damaged_compression_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError, match=r"cannot be decompressed|end too soon or too late") as refusal:
        inflated(MessageReader(b"gzip", LIMIT), (1, data))
    assert refusal.value.code is grpc.StatusCode.INTERNAL


def test_unknown_encoding_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(MessageError, match="snappy is not known; identity, gzip, deflate are") as refusal:
        MessageReader(b"snappy", LIMIT)
    assert refusal.value.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"100m", 0.1), (b"5u", 5e-6), (b"99999999n", 0.1)]
)
def test_timeout_is_read_in_its_unit(value: bytes, seconds: float) -> None:
    assert timeout_s(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [b"", b"S", b"1", b"1x", b"-1S", b"1.5S", b"123456789S"])
def test_what_is_no_timeout_is_refused(value: bytes) -> None:
    with pytest.raises(MessageError):
        timeout_s(value)


def test_status_message_survives_what_a_header_field_cannot_hold() -> None:
    (_, (name, value)) = status_fields(grpc.StatusCode.INTERNAL, "50 %\nof é", ())
    assert (name, value) == (b"grpc-message", b"50 %25%0Aof %C3%A9")


def test_metadata_goes_and_comes_back() -> None:
    metadata = (("key", "value"), ("some-bin", b"\x00\xff"), ("key", "again"), ("other-bin", b"abcd"))
    fields = [(b":path", b"/a/b"), (b"te", b"trailers"), (b"grpc-timeout", b"1S"), *metadata_fields(metadata)]
    assert metadata_of(fields) == metadata
