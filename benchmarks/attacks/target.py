"""What an attack is given: a server's port, so much time, and the connections that it opens."""

import time
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from benchmarks.attacks.peer import Peer, TimeUpError


class HurtError(Exception):
    """What an attack itself saw go wrong beyond what the well-behaved caller can see."""


class Target:
    """A server under attack, for so many seconds.

    Args:
        port: Of the server.
        seconds: That the attack lasts.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self.port = port
        self.deadline = monotonic() + seconds
        self._peers: list[Peer] = []

    def connect(self, **options: Any) -> Peer:
        """A connection with `Peer`'s options, which stays until it is dropped."""
        peer = Peer(self.port, self.deadline, **options)
        self._peers.append(peer)
        return peer

    def hold(self) -> None:
        """Keep all connections as they are until the time is up."""
        time.sleep(max(0.0, self.deadline - monotonic()))

    def drop(self) -> None:
        """Close all connections."""
        for peer in self._peers:
            peer.close()
        self._peers.clear()


Attack = Callable[[Target], None]


def carry_out(attack: Attack, port: int, seconds: float) -> tuple[int, str]:
    """Attack again and again until the time is up.

    Returns:
        How many times, and what the attack saw go wrong, if anything.
    """
    target = Target(port, seconds)
    rounds = 0
    try:
        while monotonic() < target.deadline:
            rounds += 1
            with suppress(ConnectionError):  # the server's right
                attack(target)
            target.drop()
    except TimeUpError:
        pass
    except HurtError as hurt:
        return rounds, str(hurt)
    finally:
        target.drop()
    return rounds, ""
