"""Calls that their client takes back as it makes them, what they cost, and who waits for them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from serving.transport.http2.messages import prefixed
from serving.transport.http2.server import Server
from serving.transport.http2.taken_back import FEW, HABIT, WORST, TakenBack
from tests.serving.transport.http2.echo import LIMITS, Echo, beside_a_neighbour, served_calls, with_raw_client
from tests.serving.transport.http2.raw_client import Call, RawClient, raw_client


@pytest.fixture(autouse=True)
def _a_slice_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.transport.http2.turns.TURN_S", 0)


@dataclass(eq=False)
class Pending:
    began: list["Pending"] = field(default_factory=list)
    is_begun: bool = False

    def run(self) -> None:
        self.is_begun = True
        self.began.append(self)


@contextmanager
def one_breath(client: RawClient) -> Iterator[None]:
    """All that is sent within goes at once."""
    flush = client.flush
    client.flush = lambda raw=b"": None  # type: ignore[method-assign]
    yield
    client.flush = flush  # type: ignore[method-assign]
    client.flush()


def call(client: RawClient, body: bytes, path: str = "/Echo/One") -> Call:
    begun = client.begin(path)
    client.http.send_data(begun.stream_id, prefixed(body), end_stream=True)
    return begun


def take_back(client: RawClient, count: int) -> None:
    """Calls that are whole, and reset as they are."""
    with one_breath(client):
        for _ in range(count):
            client.reset(call(client, b"a", "/Echo/Hold"))


def test_of_calls_that_are_taken_back_in_the_same_breath_no_servicer_begins() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        take_back(client, 1000)
        await client.round_trip()
        assert not echo.waiting.is_set()

    beside_a_neighbour(test)


def test_client_that_took_calls_back_is_answered_in_the_order_of_its_calls() -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        take_back(client, 2 * WORST)
        bodies = [b"%d" % number for number in range(WORST + 2 * FEW)]  # more than make it one like any other again
        with one_breath(client):
            calls = [call(client, body) for body in bodies]
        for begun, body in zip(calls, bodies, strict=True):
            assert (await client.answer(begun)).body == prefixed(body)
        assert echo.asked == bodies

    with_raw_client(test)


def test_calls_that_wait_to_begin_go_with_their_connection() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        async with raw_client(client.address) as other:
            await other.round_trip()
            take_back(other, WORST)
            with one_breath(other):
                for _ in range(LIMITS.max_streams):
                    call(other, b"a", "/Echo/Hold")

    beside_a_neighbour(test)


def test_calls_that_are_taken_back_are_not_kept_until_all_is_read() -> None:
    async def test(client: RawClient, echo: Echo) -> None:
        take_back(client, 2 * WORST)
        await client.round_trip()
        take_back(client, 1000)
        most, read = 0, asyncio.ensure_future(client.round_trip())
        while not read.done():
            most = max(most, served_calls())
            await asyncio.sleep(0.001)
        assert most < 100

    beside_a_neighbour(test)


def test_one_too_many_of_those_who_take_their_calls_back_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        async with raw_client(client.address) as other, raw_client(client.address) as last:
            for each in (other, last):
                take_back(each, 2 * WORST)
                await each.round_trip()
            monkeypatch.setattr("serving.transport.http2.turns.LAST", 1)
            monkeypatch.setattr("serving.transport.http2.turns.PAUSE_S", 3600)
            take_back(other, 10)
            await client.round_trip()  # by when it waits
            take_back(last, 10)
            await last.hang_up()
            assert last.last_words == "too many calls taken back"
        assert (await client.ask("/Echo/One", prefixed(b"a"))).body == prefixed(b"a")

    with_raw_client(test)


def test_habit_is_more_calls_taken_back_than_answered_and_answers_end_it() -> None:
    taken_back = TakenBack()
    for _ in range(HABIT):
        taken_back.reset(Pending())
    assert not taken_back.is_habit
    taken_back.reset(Pending(is_begun=True))  # which its client may have had a reason for
    assert not taken_back.is_habit
    for _ in range(10 * WORST):
        taken_back.reset(Pending())
    assert taken_back.is_habit
    for _ in range(WORST - HABIT):
        taken_back.answered()
    assert not taken_back.is_habit


def test_calls_of_the_habit_begin_a_few_at_a_time_and_those_that_have_ended_not_at_all() -> None:
    taken_back, began = TakenBack(), list[Pending]()
    first = Pending(began)
    taken_back.begin(first)
    assert began == [first]
    for _ in range(WORST):
        taken_back.reset(Pending())
    calls = [Pending(began) for _ in range(4 * FEW)]
    for each in calls:
        taken_back.begin(each)
    for each in calls[::2]:
        taken_back.forget(each)
    assert began == [first]
    wanted = calls[1::2]
    taken_back.begin_few()
    assert began == [first, *wanted[:FEW]]
    for _ in range(WORST):
        taken_back.answered()
    calls.append(Pending(began))
    taken_back.begin(calls[-1])  # after those before it, whatever has become of the habit
    while taken_back.has_more:
        taken_back.begin_few()
    assert began == [first, *wanted, calls[-1]]


def test_caller_beside_such_a_client_waits_for_none_of_its_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: RawClient, echo: Echo, server: Server) -> None:
        async with raw_client(client.address) as other:
            take_back(other, 2 * WORST)
            await other.round_trip()
            monkeypatch.setattr("serving.transport.http2.turns.PAUSE_S", 3600)
            with one_breath(other):
                for _ in range(WORST):
                    call(other, b"crowd")
            for _ in range(20):
                assert (await client.ask("/Echo/One", prefixed(b"alone"))).body == prefixed(b"alone")
            assert set(echo.asked) == {b"alone"}

    with_raw_client(test)
