"""The client where streams break, servers are full, or there are several: what is repeated, and how often."""

import os
import signal
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from digitforge import (
    Client,
    DeadlineExceededError,
    DigitforgeError,
    GeneratedDigits,
    OverloadedError,
    UnreachableError,
)
from digitforge.errors import STATUS_KEY
from tests.end_to_end.failing_server import NEWEST, PATIENCE_S, FailingDigits, image, served
from tests.end_to_end.test_workers import needs_proc, workers

FULL, AWAY = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE
PUSHBACK = "grpc-retry-pushback-ms"


@pytest.fixture
def client(failing_address: str, client_to: Callable[..., Client]) -> Client:
    return client_to(failing_address)


def assert_whole(chunks: Sequence[GeneratedDigits], seed: int, offset: int, n: int, version: int = NEWEST) -> None:
    """Every image once, in order."""
    found = b"".join(chunk.images.tobytes() for chunk in chunks)
    assert found == b"".join(image(seed, index, version) for index in range(offset, offset + n))


BROKEN = [AWAY, FULL, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED]


@pytest.mark.parametrize("code", BROKEN)
def test_broken_stream_goes_on_without_a_loss_or_a_repetition(
    client: Client, failing: FailingDigits, code: grpc.StatusCode
) -> None:
    failing.chunk, failing.breaks = 10, [(3, code), (1, code)]
    assert_whole(list(client.generate_stream(95, seed=5, offset=1000)), 5, 1000, 95)
    assert [(request.offset, request.n) for request in failing.requests] == [(1000, 95), (1030, 65), (1040, 55)]


def test_stream_stays_on_its_version_and_its_drawn_seed(client: Client, failing: FailingDigits) -> None:
    failing.chunk, failing.breaks = 10, [(1, AWAY)]
    chunks = client.generate_stream(30)
    first = next(chunks)
    failing.newest = NEWEST + 1
    assert_whole([first, *chunks], first.seed, 0, 30)
    assert [request.version for request in failing.requests] == [0, NEWEST]
    assert [request.seed for request in failing.requests] == [first.seed] * 2


def test_call_without_a_seed_asks_for_the_same_stream_when_it_is_tried_again(
    client: Client, failing: FailingDigits
) -> None:
    failing.failures = [AWAY, AWAY]
    digits = client.generate(3)
    assert_whole([digits], digits.seed, 0, 3)
    assert [request.seed for request in failing.requests] == [digits.seed] * 3


def test_stream_goes_on_from_every_break_as_long_as_it_comes_further(client: Client, failing: FailingDigits) -> None:
    failing.chunk, failing.breaks = 1, [(1, AWAY)] * 40
    assert_whole([client.generate(40, seed=5)], 5, 0, 40)


def test_stream_that_comes_no_further_ends_with_what_broke_it(client: Client, failing: FailingDigits) -> None:
    failing.chunk, failing.breaks = 10, [(1, AWAY)] + [(0, AWAY)] * 100
    chunks = client.generate_stream(30)
    next(chunks)
    with pytest.raises(UnreachableError, match="it breaks with UNAVAILABLE"):
        next(chunks)
    assert failing.attempts == 1 + 4


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNAUTHENTICATED]
)
def test_stream_that_is_ended_for_good_does_not_go_on(
    client: Client, failing: FailingDigits, code: grpc.StatusCode
) -> None:
    failing.chunk, failing.breaks = 10, [(1, code)]
    chunks = client.generate_stream(30)
    next(chunks)
    with pytest.raises(DigitforgeError) as ended:
        next(chunks)
    assert ended.value.code is code
    assert failing.attempts == 1


def test_stream_that_is_longer_than_its_time_goes_on(
    failing_address: str, failing: FailingDigits, client_to: Callable[..., Client]
) -> None:
    failing.chunk, failing.holds = 10, True
    failing.breaks = [(2, grpc.StatusCode.OK)]  # and then it is held, until its time is over
    chunks = client_to(failing_address, timeout_s=1).generate_stream(30, seed=5)
    first = [next(chunks), next(chunks)]
    assert_whole([*first, next(chunks)], 5, 0, 30)
    assert [request.offset for request in failing.requests] == [0, 20]


def test_stream_that_ends_too_soon_goes_on_and_one_that_gives_nothing_is_an_error(
    client: Client, failing: FailingDigits
) -> None:
    failing.chunk, failing.breaks = 10, [(1, grpc.StatusCode.OK)]
    assert_whole([client.generate(30, seed=5)], 5, 0, 30)
    failing.breaks = [(0, grpc.StatusCode.OK)]
    with pytest.raises(DigitforgeError, match="ended a stream of 30 images after 0"):
        client.generate(30)


def test_stream_that_another_model_would_go_on_with_is_an_error(client: Client, failing: FailingDigits) -> None:
    failing.chunk = 10
    for generators in (["a", "a"], ["", "a"], ["a", ""]):  # a server that does not tell it is an older one
        failing.breaks, failing.generators = [(1, grpc.StatusCode.OK)], generators
        assert_whole([client.generate(30, seed=5)], 5, 0, 30)
    failing.breaks, failing.generators = [(1, grpc.StatusCode.OK)], ["a", "b"]
    with pytest.raises(DigitforgeError, match="another model is version 7"):
        client.generate(30, seed=5)


@pytest.mark.parametrize("skips", [1, -1])
def test_images_that_are_not_the_next_ones_are_an_error(client: Client, failing: FailingDigits, skips: int) -> None:
    failing.skips = skips
    with pytest.raises(DigitforgeError, match=f"gave 3 images from offset {100 + skips}, where 3 from 100 were due"):
        client.generate(3, offset=100)


def test_more_images_than_were_asked_for_are_an_error(client: Client, failing: FailingDigits) -> None:
    failing.excess = 1
    with pytest.raises(DigitforgeError, match="gave 4 images from offset 0, where 3 from 0 were due"):
        client.generate(3)


def test_stream_waits_for_a_server_that_comes_back(failing: FailingDigits, client_to: Callable[..., Client]) -> None:
    failing.chunk, failing.breaks = 10, [(1, AWAY)]
    with served(failing) as address:
        chunks = client_to(address).generate_stream(30, seed=5)
        found = [next(chunks)]
    with ThreadPoolExecutor(1) as thread, socket.create_server(("127.0.0.1", int(address.partition(":")[2]))) as port:
        rest = thread.submit(lambda: list(chunks))
        port.settimeout(PATIENCE_S)
        for _ in range(6):  # more often than a call is repeated
            port.accept()[0].close()
        port.close()
        with served(failing, address):
            found += rest.result()
    assert_whole(found, 5, 0, 30)


def test_stream_waits_for_a_server_that_is_gone_and_no_longer_than_its_time(
    failing: FailingDigits, client_to: Callable[..., Client]
) -> None:
    failing.chunk, failing.breaks = 10, [(1, AWAY)]
    with served(failing) as address:
        chunks = client_to(address, timeout_s=1).generate_stream(30)
        next(chunks)
    with pytest.raises(UnreachableError, match=address):
        list(chunks)


@needs_proc
def test_stream_of_a_worker_that_is_killed_is_the_same_bytes(
    start_server: Callable[..., Any], client_to: Callable[..., Client]
) -> None:
    server = start_server("--workers", "1", "--stream-chunk-images", "64")
    client = client_to(server.address)
    chunks = client.generate_stream(20_000, seed=5)
    found = [next(chunks)]
    (worker,) = workers(server.process.pid)
    os.kill(worker, signal.SIGKILL)
    found += chunks
    whole = client.generate(20_000, seed=5)
    assert np.array_equal(np.concatenate([chunk.images for chunk in found]), whole.images)


def test_server_that_says_when_to_come_again_is_obeyed(
    failing_address: str, failing: FailingDigits, client_to: Callable[..., Client]
) -> None:
    failing.failures, failing.metadata = [FULL] * 3, ((PUSHBACK, "1"),)
    client_to(failing_address).score(bytes(784))
    assert failing.attempts == 4
    # Much later than its time allows: by its own pauses, it would have come again in between.
    failing.failures, failing.metadata = [FULL] * 3, ((PUSHBACK, "600000"),)
    with pytest.raises(DeadlineExceededError):
        client_to(failing_address, timeout_s=1).score(bytes(784))
    assert failing.attempts == 5


def test_server_that_wants_no_repetition_gets_none(client: Client, failing: FailingDigits) -> None:
    failing.failures, failing.metadata = [FULL] * 3, ((PUSHBACK, "-1"),)
    with pytest.raises(OverloadedError):
        client.score(bytes(784))
    assert failing.attempts == 1


def test_server_that_refuses_call_after_call_gets_each_but_once_in_the_end(
    client: Client, failing: FailingDigits
) -> None:
    failing.failures, failing.metadata = [FULL] * 1000, ((PUSHBACK, "1"),)
    attempts = []
    for _ in range(20):
        before = failing.attempts
        with pytest.raises(OverloadedError):
            client.score(bytes(784))
        attempts.append(failing.attempts - before)
    assert attempts == [4] * 12 + [2] + [1] * 7  # until half of 100 tokens are spent


def packed(*details: Message) -> tuple[tuple[str, str | bytes], ...]:
    status = status_pb2.Status()
    for detail in details:
        status.details.add().Pack(detail)
    return ((STATUS_KEY, status.SerializeToString()),)


def test_overload_tells_when_to_try_again(client: Client, failing: FailingDigits) -> None:
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    failing.failures = [FULL] * 8
    failing.metadata = (*packed(retry), (PUSHBACK, "-1"))
    with pytest.raises(OverloadedError) as full:
        client.score(bytes(784))
    assert full.value.retry_after_s == 1.5
    failing.metadata = ((PUSHBACK, "-1"),)
    with pytest.raises(OverloadedError) as full:
        client.score(bytes(784))
    assert full.value.retry_after_s is None


@pytest.mark.parametrize(
    "metadata",
    [
        ((STATUS_KEY, b"\xff\xff"),),
        packed(status_pb2.Status(message="of another kind")),
        ((STATUS_KEY, status_pb2.Status(details=[any_pb2.Any(type_url="x/other.v1.BadRequest")]).SerializeToString()),),
    ],
)
def test_details_that_are_damaged_or_of_another_kind_do_not_hide_the_error(
    client: Client, failing: FailingDigits, metadata: Any
) -> None:
    failing.failures, failing.metadata = [grpc.StatusCode.INTERNAL], metadata
    with pytest.raises(DigitforgeError, match="it fails with INTERNAL") as failed:
        client.score(bytes(784))
    assert failed.value.details == ()


def test_calls_go_to_several_servers_in_turn(client_to: Callable[..., Client]) -> None:
    servers = [FailingDigits(), FailingDigits()]
    with served(servers[0]) as first, served(servers[1]) as second:
        client = client_to([first, second.replace("127.0.0.1", "localhost")])
        while not all(server.attempts for server in servers):  # until both are connected
            client.models()
        before = [server.attempts for server in servers]
        for _ in range(10):
            client.score(bytes(784))
        assert [server.attempts - old for server, old in zip(servers, before, strict=True)] == [5, 5]


def test_server_that_is_gone_among_several_costs_nothing(client_to: Callable[..., Client], nobody: str) -> None:
    with served(FailingDigits()) as there:
        client = client_to(f"{nobody},{there}")
        assert len(list(client.score_stream([bytes(784)] * 100))) == 100


def test_stream_goes_on_at_another_server(client_to: Callable[..., Client]) -> None:
    servers = [FailingDigits(), FailingDigits()]
    for server in servers:
        server.chunk = 10
        server.breaks = [(1, AWAY)] * 100
    with served(servers[0]) as first, served(servers[1]) as second:
        client = client_to([first, second])
        while not all(server.attempts for server in servers):
            client.models()
        assert_whole([client.generate(100, seed=5)], 5, 0, 100)
    assert [len(server.requests) for server in servers] == [5, 5]


def test_unknown_name_among_several_is_told(client_to: Callable[..., Client]) -> None:
    with pytest.raises(UnreachableError, match=r"nowhere\.invalid has no address"):
        client_to(["127.0.0.1:50051", "nowhere.invalid:50051"])
