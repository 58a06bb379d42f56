"""Answers are compressed where that is asked for and the caller takes it, and nowhere else."""

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from serving.address import address_of
from serving.process.port import reserve
from serving.transport.http2.messages import ENCODINGS, prefixed
from serving.transport.http2.server import Server
from serving.transport.limits import Limits
from tests.serving.transport.either import of_bytes
from tests.serving.transport.http2.echo import PATIENCE_S
from tests.serving.transport.http2.raw_client import Call, raw_client

Compression = grpc.Compression
GZIP = {"grpc-accept-encoding": "identity, deflate,gzip"}
ANSWER = b"digits " * 100


def answered(
    fields: Mapping[str, str], server_wide: Compression, of_servicer: Compression | None, answer: bytes = ANSWER
) -> Call:
    """What comes to a caller with these header fields."""

    async def servicer(request: bytes, context: Any) -> bytes:
        if of_servicer is not None:
            context.set_compression(of_servicer)
        return answer

    async def run() -> Call:
        server, listener = Server(Limits(), compression=server_wide), reserve("127.0.0.1", 0)
        of_bytes(Method=grpc.unary_unary_rpc_method_handler(servicer))(server)
        await server.start(listener)
        async with raw_client(address_of(listener)) as client:
            call = await client.ask("/Test/Method", prefixed(b""), fields)
        await server.stop(None)
        return call

    return asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


@pytest.mark.parametrize(
    ("server_wide", "of_servicer"),
    [(Compression.Gzip, None), (Compression.NoCompression, Compression.Gzip), (Compression.Deflate, Compression.Gzip)],
)
@pytest.mark.parametrize("answer", [ANSWER, bytes(300_000)], ids=["small", "in a thread"])
def test_answer_is_compressed_where_the_server_or_its_servicer_says_so(
    server_wide: Compression, of_servicer: Compression | None, answer: bytes
) -> None:
    call = answered(GZIP, server_wide, of_servicer, answer)
    assert (call.fields["grpc-encoding"], call.body[0]) == ("gzip", 1)
    assert len(call.body) == 5 + int.from_bytes(call.body[1:5], "big") < len(answer)
    assert gzip.decompress(call.body[5:]) == answer


def test_deflate_is_zlibs_format() -> None:
    call = answered({"grpc-accept-encoding": "deflate"}, Compression.Deflate, None)
    assert (call.fields["grpc-encoding"], zlib.decompress(call.body[5:])) == ("deflate", ANSWER)


@pytest.mark.parametrize(
    ("fields", "server_wide", "of_servicer"),
    [
        (GZIP, Compression.NoCompression, None),
        (GZIP, Compression.Gzip, Compression.NoCompression),
        ({}, Compression.Gzip, None),
        ({"grpc-accept-encoding": "identity,deflate"}, Compression.Gzip, Compression.Gzip),
    ],
    ids=["nobody asks", "the servicer asks for none", "the caller takes none", "the caller takes another"],
)
def test_answer_is_plain_otherwise(
    fields: Mapping[str, str], server_wide: Compression, of_servicer: Compression | None
) -> None:
    call = answered(fields, server_wide, of_servicer)
    assert "grpc-encoding" not in call.fields
    assert call.body == prefixed(ANSWER)


def test_callers_are_told_what_they_may_send() -> None:
    call = answered({}, Compression.NoCompression, None)
    assert call.fields["grpc-accept-encoding"].encode().split(b",") == list(ENCODINGS)
