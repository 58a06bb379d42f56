"""How many bytes calls may hold of their requests: a caller can send faster than servicers take.

Where there is no room, the one that holds most makes it: the connection with the most, and of its calls the largest.
Who asks for little is so never refused because somebody else has much.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import grpc

from serving.transport.http2.messages import MessageError

SMALL_BYTES = 64 * 1024  # calls that hold no more have a reserve that larger ones do not touch
RESERVE = 16  # which is this part of the limit


class Holder(Protocol):
    """A call, as the budget knows it."""

    held_bytes: int

    def shed(self) -> None:
        """End, since others need the room; `held_bytes` are given back by it."""


class Budget:
    """Of a process.

    Args:
        limit: Bytes at a time.
        account_limit: Bytes at a time of one account.
    """

    def __init__(self, limit: int, account_limit: int) -> None:
        self.limit, self.account_limit = limit, account_limit
        self.held = 0
        self.accounts: set[Account] = set()  # that hold something


class Account:
    """What one connection holds of a budget.

    Args:
        budget: The process's.
        holders: The connection's calls.
    """

    def __init__(self, budget: Budget, holders: Callable[[], Iterable[Holder]]) -> None:
        self._budget, self._holders = budget, holders
        self.held = 0

    def take(self, holder: Holder, count: int) -> None:
        """Let a call hold so many bytes more; less, where it is negative.

        Raises:
            MessageError: RESOURCE_EXHAUSTED; then they are not held.
        """
        budget = self._budget
        if count > 0 and (self.held + count > budget.account_limit or budget.held + count > budget.limit):
            self._make_room(holder, count)
        holder.held_bytes += count
        self.held += count
        budget.held += count
        if self.held:
            budget.accounts.add(self)
        else:
            budget.accounts.discard(self)

    def _make_room(self, holder: Holder, count: int) -> None:
        budget, wanted = self._budget, holder.held_bytes + count
        reserve = budget.limit // RESERVE if wanted <= SMALL_BYTES else 0
        while self.held + count > budget.account_limit:
            self._shed(self, holder, wanted, f"this connection's calls hold {self.held}", budget.account_limit)
        while budget.held + count > budget.limit + reserve:
            most = max(budget.accounts, key=lambda account: account.held, default=self)
            account = most if most.held > self.held + count else self
            self._shed(account, holder, wanted, f"the server holds {budget.held}", budget.limit)

    def _shed(self, account: "Account", holder: Holder, wanted: int, held: str, limit: int) -> None:
        """End an account's largest call, or raise where that is the one which asks."""
        largest = max(account._holders(), key=lambda each: each.held_bytes, default=holder)
        if largest is holder or (account is self and largest.held_bytes <= wanted) or not largest.held_bytes:
            raise MessageError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{held} bytes of requests already, and {limit} at most; try again later",
                reason="budget",
            )
        largest.shed()
