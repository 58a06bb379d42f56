"""The port is nobody else's, and shared by its own."""

import errno
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from serving.address import address_of
from serving.process.port import PortError, hold, release, reserve, share


def test_reserved_port_is_refused_to_a_second_server_even_once_it_is_shared() -> None:
    first = reserve("127.0.0.1", 0)
    port = first.getsockname()[1]
    with pytest.raises(PortError, match=rf"127\.0\.0\.1 port {port}: Address already in use.*--port"):
        reserve("127.0.0.1", port)
    sharers = share(first, 3)
    with pytest.raises(PortError, match="in use"):
        reserve("127.0.0.1", port)
    for sharer in sharers:
        sharer.close()
    reserve("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [("", "a path is missing"), ("/" + "a" * 200, "the path has 201 bytes, and may have 10[37]"), (".", "a folder")],
)
def test_path_that_no_unix_socket_can_have_is_refused_with_the_reason(path: str, reason: str) -> None:
    with pytest.raises(PortError, match=rf"cannot listen on unix:{path}: .*{reason}.*--host"):
        reserve(f"unix:{path}", 0)


def sharing(address: Any) -> socket.socket:
    """A socket that shares a port, as grpcio's servers make them."""
    sharer = socket.socket()
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        sharer.setsockopt(socket.SOL_SOCKET, option, 1)
    sharer.bind(address)
    sharer.listen()
    return sharer


def test_held_port_takes_no_connections_and_is_refused_to_others_whoever_listens_there() -> None:
    holder = hold(reserve("127.0.0.1", 0))
    address = holder.getsockname()
    for _ in range(2):  # before anybody listens, and after
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with pytest.raises(PortError, match="in use"):
            reserve(*address)
        with sharing(address), sharing(address):
            socket.create_connection(address).close()
            with pytest.raises(PortError, match="in use"):
                reserve(*address)
    holder.close()
    reserve(*address).close()


@pytest.mark.parametrize("host", ["::1", "::", "0.0.0.0"])
def test_port_is_held_at_every_kind_of_address(host: str) -> None:
    holder = hold(reserve(host, 0))
    with pytest.raises(PortError, match="in use"):
        reserve(host, holder.getsockname()[1])
    holder.close()


def end_a_connection(listener: socket.socket) -> None:
    """From the server's side, so that the system remembers it for a while: in TIME_WAIT."""
    with socket.create_connection(listener.getsockname()) as client:
        listener.accept()[0].close()
        assert client.recv(1) == b""


def test_restart_is_not_refused_for_connections_that_are_over() -> None:
    listener = reserve("127.0.0.1", 0)
    address = listener.getsockname()
    end_a_connection(listener)
    listener.close()
    first, second = share(reserve(*address), 2)
    first.close()
    end_a_connection(second)
    second.close()
    hold(reserve(*address)).close()


def test_connections_reach_every_sharer() -> None:
    sharers = share(reserve("127.0.0.1", 0), 3)
    assert len({address_of(sharer) for sharer in sharers}) == 1
    for sharer in sharers:
        sharer.setblocking(False)
    accepted = [0, 0, 0]
    clients = []
    while not all(accepted):
        clients.append(socket.create_connection(sharers[0].getsockname()))
        for place, sharer in enumerate(sharers):
            try:
                sharer.accept()[0].close()
            except BlockingIOError:
                continue
            accepted[place] += 1
    for closed in (*clients, *sharers):
        closed.close()


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1:"), ("::1", "[::1]:"), ("0.0.0.0", "0.0.0.0:")])
def test_address_names_host_and_port(host: str, address: str) -> None:
    listener = reserve(host, 0)
    assert address_of(listener) == f"{address}{listener.getsockname()[1]}"
    listener.close()


def test_every_ipv6_interface_is_every_interface() -> None:
    listener = reserve("::", 0)
    socket.create_connection(("127.0.0.1", listener.getsockname()[1])).close()
    listener.close()


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(PortError, match=r"192\.0\.2\.1"):
        reserve("192.0.2.1", 0)


def test_unix_socket_is_refused_to_a_second_server(tmp_path: Path) -> None:
    host = f"unix:{tmp_path}/socket"
    first = reserve(host, 0)
    with pytest.raises(PortError, match=rf"cannot listen on {host}: Address already in use; .*--host"):
        reserve(host, 0)
    release(host)  # it does nothing while somebody listens
    socket.socket(socket.AF_UNIX).connect(str(tmp_path / "socket"))
    first.close()


def test_unix_socket_of_a_server_that_is_too_busy_to_answer_is_refused(tmp_path: Path) -> None:
    with ExitStack() as sockets:
        busy = sockets.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(str(tmp_path / "socket"))
        busy.listen(0)
        refused = 0
        while not refused:
            caller = sockets.enter_context(socket.socket(socket.AF_UNIX))
            caller.setblocking(False)
            refused = caller.connect_ex(str(tmp_path / "socket"))
        assert refused == errno.EAGAIN
        with pytest.raises(PortError, match="in use"):
            reserve(f"unix:{tmp_path}/socket", 0)


def test_unix_socket_of_a_dead_server_is_replaced_and_at_the_end_none_is_left(tmp_path: Path) -> None:
    host = f"unix:{tmp_path}/socket"
    reserve(host, 0).close()
    assert (tmp_path / "socket").is_socket()
    reserve(host, 0).close()
    release(host)
    assert list(tmp_path.iterdir()) == []
    release(host)


def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "socket").write_text("mine")
    with pytest.raises(PortError, match="in use"):
        reserve(f"unix:{tmp_path}/socket", 0)
    assert (tmp_path / "socket").read_text() == "mine"


@pytest.mark.parametrize(("path", "reason"), [("nowhere/socket", "No such file"), ("s" * 200, "may have 107")])
def test_path_where_no_socket_can_be_is_refused(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(PortError, match=reason):
        reserve(f"unix:{tmp_path}/{path}", 0)


def test_all_workers_take_their_connections_from_one_unix_socket(tmp_path: Path) -> None:
    first, second = share(reserve(f"unix:{tmp_path}/socket", 0), 2)
    assert first is second
    assert address_of(first) == f"unix:{tmp_path}/socket"
    first.close()
