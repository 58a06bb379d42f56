"""Connections that are there and do nothing."""

import time

from benchmarks.attacks.target import Target

MANY = 5000


def nothing(target: Target) -> None:
    """Nothing: what the machine itself does to the caller."""
    target.hold()


def silent_connections(target: Target) -> None:
    """2,000 connections that say nothing at all."""
    _open(target, 2000, greets=False)


def idle_connections(target: Target) -> None:
    """5,000 connections without a call."""
    _open(target, MANY, greets=True)


def short_connections(target: Target) -> None:
    """5,000 connections, each ended as it begins."""
    for number in range(MANY):
        target.connect().close()
        if number % 100 == 0:
            time.sleep(0.01)


def _open(target: Target, count: int, greets: bool) -> None:
    for _ in range(count):
        target.connect(greets=greets)
    target.hold()


CONNECTIONS = (nothing, silent_connections, idle_connections, short_connections)
