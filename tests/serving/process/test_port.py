"""The port is nobody else's, and shared by its own."""

import socket

import pytest

from serving.process.port import PortError, address_of, reserve, share


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
