"""The monitor: what it answers, and that whoever is slow, silent or many keeps nobody else from it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from serving.process.monitor import MAX_CONNECTIONS, MonitorServer
from serving.process.port import reserve
from serving.telemetry.families import CONNECTIONS, FAMILIES, RESTARTS, SERVING
from serving.telemetry.processes import WorkerCounts, WorkerGauges
from serving.telemetry.store import Store

PATIENCE_S = 30
LONGEST_S = 2.0
Address = tuple[str, int]


@pytest.fixture
def store() -> Store:
    return Store(FAMILIES, 3)


@pytest.fixture
def address(store: Store) -> Iterator[Address]:
    """Of a monitor in a thread of its own."""
    server = MonitorServer(store, reserve("127.0.0.1", 0), LONGEST_S)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.socket.getsockname()
    server.shutdown()
    thread.join()
    server.server_close()


def get(address: Address, path: str, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection(*address, timeout=PATIENCE_S)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_metrics_are_what_is_in_the_memory_now(store: Store, address: Address) -> None:
    open_connections = store.slot(1).value(CONNECTIONS)
    for count in (3, 4):
        open_connections.set(count)
        assert f"\ndigitforge_open_connections {count}.0\n" in get(address, "/metrics")[1]


def test_ready_while_one_worker_serves_and_live_all_the_time(store: Store, address: Address) -> None:
    one, other = WorkerGauges(store, 0), WorkerGauges(store, 1)
    assert get(address, "/readyz")[0] == 503
    one.serves(True)
    other.serves(True)
    one.serves(False)
    assert get(address, "/readyz")[0] == 200
    other.serves(False)
    assert get(address, "/readyz")[0] == 503
    assert get(address, "/livez")[0] == 200


def test_worker_that_has_gone_serves_no_more_and_its_successor_is_counted(store: Store, address: Address) -> None:
    counts = WorkerCounts(store, number=2, workers=2)
    for number in (0, 1):
        counts.started()
        WorkerGauges(store, number).serves(True)
    counts.ended(0)
    assert get(address, "/readyz")[0] == 200
    counts.ended(1)
    assert get(address, "/readyz")[0] == 503
    assert store.sums(SERVING) == {(): [0]}
    assert store.sums(RESTARTS) == {(): [0]}
    counts.started()
    assert store.sums(RESTARTS) == {(): [1]}


def test_other_paths_and_methods_are_refused(address: Address) -> None:
    assert get(address, "/")[0] == 404
    assert get(address, "/metrics?x=1")[0] == 200
    assert get(address, "/metrics", "POST")[0] == 501
    assert get(address, "/livez", "HEAD") == (200, "")


def test_many_that_say_nothing_keep_nobody_from_an_answer(address: Address) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address)) for _ in range(3 * MAX_CONNECTIONS)]
        silent[-1].sendall(b"GET /livez HT")
        assert get(address, "/livez")[0] == 200
        silent[0].settimeout(LONGEST_S / 4)
        assert silent[0].recv(1) == b""  # the oldest had to go before that answer, long before its time


def test_one_that_always_says_a_little_is_sent_away(address: Address) -> None:
    with socket.create_connection(address) as slow:
        slow.settimeout(0.2)
        end = time.monotonic() + PATIENCE_S
        slow.sendall(b"GET /metrics HTTP/1.0\r\nX: ")
        while time.monotonic() < end:
            try:
                slow.sendall(b"x")
                assert slow.recv(1) == b""
                return
            except TimeoutError:
                continue
            except OSError:
                return
    raise AssertionError(f"it may stay for {PATIENCE_S} s")
