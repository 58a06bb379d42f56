"""The end of a parent and its workers: every stage has its limit."""

import socket

import pytest

from tests.serving.process.parents import PATIENCE_S, Parent, lines_until, rest, up

DEAF = """
def work(listener, tell, slot):
    for number in (signal.SIGTERM, signal.SIGUSR1): signal.signal(number, lambda *_: None)
    say(f"pid {os.getpid()} slot {slot}")
    tell([])
    while True: time.sleep(3600)
"""


def test_worker_that_does_not_end_is_killed_at_the_limit_and_told_of(parent: Parent) -> None:
    process = parent(DEAF, grace=0.1, linger=0.15)
    up(process)
    process.terminate()
    assert process.wait(PATIENCE_S) == 1
    assert rest(process) == [
        "shutting down (again to stop at once)",
        *(f"warning: worker {n} was still there 0.25 s after it was told to stop: it is killed" for n in (0, 1)),
    ]


def test_calls_in_flight_are_not_waited_for_at_the_second_signal(parent: Parent) -> None:
    process = parent(DEAF, grace=3600, linger=0.1)
    up(process)
    process.terminate()
    lines_until(process, "shutting down")
    process.terminate()
    assert process.wait(PATIENCE_S) == 1
    assert sum("0.1 s after it was told to stop: it is killed" in line for line in rest(process)) == 2


def test_worker_that_does_not_end_without_its_parent_ends_at_the_limit(parent: Parent) -> None:
    process = parent(DEAF, grace=0.1, linger=0.1)
    up(process)
    process.kill()
    assert rest(process) == []  # to the end of the pipe: no worker holds it any more


def test_nobody_takes_connections_once_the_workers_have_closed_their_sockets(parent: Parent) -> None:
    process = parent(
        """
        def work(listener, tell, slot):
            wishes = []
            signal.signal(signal.SIGTERM, lambda *_: wishes.append(1))
            say(f"pid {os.getpid()} slot {slot}")
            tell([])
            while not wishes: time.sleep(0.01)
            listener.close()
            say("closed")
            time.sleep(3600)
        """,
        'say(f"port {port}")',
    )
    address = ("127.0.0.1", int(lines_until(process, "port")[-1].split()[1]))
    up(process)
    for _ in range(10):
        socket.create_connection(address).close()
    process.terminate()
    lines_until(process, "closed", 2)
    for _ in range(10):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def test_second_signal_tells_the_workers_to_stop_at_once(parent: Parent) -> None:
    process = parent("work = until_told_at_once")
    up(process)
    process.terminate()
    lines_until(process, "wish", 2)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert "stopping at once" in rest(process)


def test_workers_stop_when_their_parent_has_gone(parent: Parent) -> None:
    process = parent()
    up(process)
    process.kill()
    assert sorted(rest(process)) == ["stopped", "stopped"]  # to the end of the pipe: no worker holds it any more
