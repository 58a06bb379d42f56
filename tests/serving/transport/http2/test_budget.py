"""Room for requests: who holds most makes it for those that hold less."""

import pytest

from serving.transport.http2.budget import SMALL_BYTES, Account, Budget
from serving.transport.http2.messages import MessageError

LIMIT, ACCOUNT_LIMIT = 1 << 20, 1 << 19


class Holder:
    """A call that ends when it is asked to."""

    def __init__(self, connection: "Connection") -> None:
        self.held_bytes = 0
        self.is_over = False
        self._account = connection.account
        connection.calls.append(self)

    def take(self, count: int) -> None:
        self._account.take(self, count)

    def shed(self) -> None:
        self.is_over = True
        self.take(-self.held_bytes)


class Connection:
    def __init__(self, budget: Budget) -> None:
        self.calls: list[Holder] = []
        self.account = Account(budget, lambda: self.calls)


def holders(budget: Budget, count: int, size: int) -> list[Holder]:
    """Calls of one connection that hold so much each."""
    connection = Connection(budget)
    calls = [Holder(connection) for _ in range(count)]
    for call in calls:
        call.take(size)
    return calls


def test_what_is_given_back_can_be_held_again() -> None:
    budget = Budget(LIMIT, ACCOUNT_LIMIT)
    (call,) = holders(budget, 1, ACCOUNT_LIMIT)
    for _ in range(3):
        call.take(-ACCOUNT_LIMIT)
        call.take(ACCOUNT_LIMIT)
    assert (budget.held, call.is_over) == (ACCOUNT_LIMIT, False)
    call.take(-ACCOUNT_LIMIT)
    assert (budget.held, budget.accounts) == (0, set())


def test_connection_that_is_full_ends_its_own_largest_call_for_a_smaller_one() -> None:
    budget = Budget(LIMIT, ACCOUNT_LIMIT)
    others = holders(budget, 1, LIMIT // 4)
    large, small = holders(budget, 2, 0)
    large.take(ACCOUNT_LIMIT)
    small.take(1)
    assert (large.is_over, small.is_over, others[0].is_over) == (True, False, False)


def test_largest_call_of_a_connection_that_is_full_is_refused_more() -> None:
    budget = Budget(LIMIT, ACCOUNT_LIMIT)
    large, small = holders(budget, 2, 0)
    small.take(ACCOUNT_LIMIT // 4)
    large.take(ACCOUNT_LIMIT // 2)
    with pytest.raises(MessageError, match=rf"this connection's calls hold \d+ bytes .* {ACCOUNT_LIMIT} at most"):
        large.take(ACCOUNT_LIMIT // 2)
    assert (large.held_bytes, budget.held) == (ACCOUNT_LIMIT // 2, ACCOUNT_LIMIT * 3 // 4)


def test_connection_with_the_most_makes_room_for_others_however_small_its_calls() -> None:
    budget = Budget(LIMIT, ACCOUNT_LIMIT)
    many = holders(budget, 32, ACCOUNT_LIMIT // 32)
    some = holders(budget, 1, LIMIT - ACCOUNT_LIMIT - SMALL_BYTES)
    (asking,) = holders(budget, 1, 2 * SMALL_BYTES)
    assert asking.held_bytes == 2 * SMALL_BYTES
    assert sum(call.is_over for call in many) == 4
    assert not some[0].is_over


def test_small_calls_have_room_where_the_large_ones_have_none_left() -> None:
    budget = Budget(LIMIT, LIMIT)
    large = holders(budget, 1, LIMIT)
    small = holders(budget, 1, SMALL_BYTES)
    assert not large[0].is_over
    assert budget.held == LIMIT + small[0].held_bytes
