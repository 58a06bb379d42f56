"""Calls that are none, made by hand: each gets its status, and its neighbours on the connection their answers.

The statuses are those of gRPC's statuscodes.md. grpcio's own server has the same or is laxer: it takes any content type
and the first of two messages, and leaves a call whose request ends within a message without an answer.
"""

import gzip

import grpc
import pytest
from h2.errors import ErrorCodes
from hpack.struct import NeverIndexedHeaderTuple

from serving.transport.http2.messages import prefixed
from tests.serving.transport.http2.echo import LIMIT, Echo, beside_a_neighbour
from tests.serving.transport.http2.raw_client import Call, RawClient

Code = grpc.StatusCode
TOO_LARGE = prefixed(bytes(LIMIT + 1))


def compressed(message: bytes) -> bytes:
    return b"\1" + prefixed(message)[1:]


AGAIN = {Code.RESOURCE_EXHAUSTED: "-1"}  # to clients that try again what is exhausted for now: never (gRFC A6)
BOMB = compressed(gzip.compress(bytes(LIMIT + 1)))


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (prefixed(b"a") + prefixed(b"b"), Code.UNIMPLEMENTED, "more than one request message"),
        (b"", Code.UNIMPLEMENTED, "no request message"),
        (prefixed(b"abc")[:-1], Code.INTERNAL, "ends within a message"),
        (prefixed(b"abc")[:3], Code.INTERNAL, "ends within a message"),
        (prefixed(b"abc") + b"\0", Code.INTERNAL, "ends within a message"),
        (TOO_LARGE, Code.RESOURCE_EXHAUSTED, f"{LIMIT + 1} bytes is larger than the limit of {LIMIT}"),
        (BOMB, Code.RESOURCE_EXHAUSTED, f"more than {LIMIT} bytes is larger"),
        (compressed(b"no gzip"), Code.INTERNAL, "cannot be decompressed"),
        (b"\2" + prefixed(b"abc")[1:], Code.INTERNAL, "flag 2"),
    ],
    ids=["two", "none", "cut", "cut prefix", "more", "too large", "bomb", "damaged", "flag"],
)
def test_body_that_is_not_one_message_is_refused(body: bytes, code: Code, words: str, apart: bool) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin("/Echo/Hold", {"grpc-encoding": "gzip"})
        await client.send(call, body[:7])
        if apart:
            await client.round_trip()  # so that the server sees its parts one by one
        await client.send(call, body[7:], is_end=True)
        await client.answer(call)
        assert (call.fields[":status"], call.status, call.body) == ("200", code, b"")
        assert words in call.fields["grpc-message"]
        assert call.fields.get("grpc-retry-pushback-ms") == AGAIN.get(code)
        assert not echo.waiting.is_set()

    beside_a_neighbour(test)


@pytest.mark.parametrize(
    ("body", "code"),
    [(TOO_LARGE[:5], Code.RESOURCE_EXHAUSTED), (prefixed(b"a") + prefixed(b"b"), Code.UNIMPLEMENTED)],
    ids=["too large", "two"],
)
def test_refusal_does_not_wait_for_the_end_of_the_request(body: bytes, code: Code) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin("/Echo/One")
        await client.send(call, body)
        assert (await client.answer(call)).status is code
        await client.send(call, bytes(100_000), is_end=True)

    beside_a_neighbour(test)


@pytest.mark.parametrize("end", ["header fields", "data", "trailers"])
def test_request_ends_with_its_header_fields_its_data_or_trailers(end: str) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        async def answer_of(path: str, body: bytes) -> Call:
            call = client.begin(path, is_end=end == "header fields")
            if end != "header fields":
                await client.send(call, body, is_end=end == "data")
            if end == "trailers":
                client.trail(call, [("checksum", "x")])
            return await client.answer(call)

        if end == "header fields":
            assert (await answer_of("/Echo/One", b"")).status is Code.UNIMPLEMENTED
            assert (await answer_of("/Echo/Sum", b"")).body == prefixed(b"0")
            return
        assert (await answer_of("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")
        assert (await answer_of("/Echo/Sum", prefixed(b"abc") * 2)).body == prefixed(b"6")
        for path in ("/Echo/One", "/Echo/Sum"):
            assert (await answer_of(path, prefixed(b"abc")[:-1])).status is Code.INTERNAL

    beside_a_neighbour(test)


@pytest.mark.parametrize(
    ("body", "code"),
    [(TOO_LARGE[:100], Code.RESOURCE_EXHAUSTED), (prefixed(b"a") + b"\0", Code.INTERNAL)],
    ids=["too large", "cut"],
)
def test_stream_that_goes_wrong_ends_its_servicer(body: bytes, code: Code) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin("/Echo/HoldStream")
        await echo.waiting.wait()
        await client.send(call, body, is_end=code is Code.INTERNAL)
        assert (await client.answer(call)).status is code
        await echo.cancelled.wait()

    beside_a_neighbour(test)


@pytest.mark.parametrize(
    "message", [BOMB, compressed(b"no gzip"), b"\2" + prefixed(b"abc")[1:]], ids=["bomb", "damaged", "flag"]
)
def test_stream_of_a_message_that_cannot_be_read_ends_once_it_is_taken(message: bytes) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin("/Echo/Each", {"grpc-encoding": "gzip"})
        await client.send(call, prefixed(b"first") + message + prefixed(b"third"))
        await client.answer(call)
        assert call.status is (Code.RESOURCE_EXHAUSTED if message == BOMB else Code.INTERNAL)
        assert (call.body, echo.read) == (prefixed(b"first"), 1)

    beside_a_neighbour(test)


@pytest.mark.parametrize("path", ["/Echo/One", "/Echo/Sum"])
@pytest.mark.parametrize("is_end", [True, False])
@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"grpc-encoding": "snappy"}, Code.UNIMPLEMENTED, "snappy is not known"),
        ({"grpc-timeout": "soon"}, Code.INTERNAL, "is no timeout"),
        ({"long": "a" * 20_000}, Code.RESOURCE_EXHAUSTED, "larger than the limit of 16384"),
    ],
)
def test_header_fields_that_cannot_be_taken_are_refused(
    path: str, is_end: bool, fields: dict[str, str], code: Code, words: str
) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin(path, fields, is_end=is_end)
        assert (await client.answer(call)).status is code
        assert words in call.fields["grpc-message"]
        assert call.fields.get("grpc-retry-pushback-ms") == AGAIN.get(code)

    beside_a_neighbour(test)


@pytest.mark.parametrize(
    ("content_type", "is_grpc"),
    [
        (None, False), ("application/json", False), ("text/html", False), ("", False),
        ("application/grpc", True), ("application/grpc+proto", True), ("application/grpc;charset=utf-8", True),
    ],
)  # fmt: skip
def test_what_is_no_grpc_is_told_so_in_http(content_type: str | None, is_grpc: bool) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = await client.ask("/Echo/One", prefixed(b"a"), {"content-type": content_type})
        if is_grpc:
            assert call.body == prefixed(b"a")
        else:
            assert (call.fields[":status"], "grpc-status" in call.fields) == ("415", False)

    beside_a_neighbour(test)


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_other_methods_than_post_are_refused(method: str) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = await client.ask("/Echo/One", prefixed(b"a"), {":method": method})
        assert (call.fields[":status"], call.fields["allow"]) == ("405", "POST")

    beside_a_neighbour(test)


@pytest.mark.parametrize("missing", [":path", ":method", ":scheme"])
def test_request_without_a_field_that_http_wants_is_reset(missing: str) -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = await client.ask("/Echo/One", prefixed(b"a"), {missing: None})
        assert call.reset is ErrorCodes.PROTOCOL_ERROR

    beside_a_neighbour(test)


def test_long_path_of_any_bytes_is_answered() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        call = client.begin("/" + "é" * 6000, is_end=True)
        assert (await client.answer(call)).status is Code.UNIMPLEMENTED

    beside_a_neighbour(test)


def test_metadata_that_must_not_be_indexed_is_metadata() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        more = [NeverIndexedHeaderTuple("secret", "a"), ("bad-bin", "a"), ("two-bin", "AA,AQ")]
        call = client.begin("/Echo/One", more=more)
        await client.send(call, prefixed(b"a"), is_end=True)
        await client.answer(call)
        assert echo.metadata == (("secret", "a"), ("two-bin", b"\0"), ("two-bin", b"\1"))

    beside_a_neighbour(test)
