"""Where the server is, and how gRPC is to reach it: addresses, timeouts, what is tried again and when."""

import json
import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

import grpc

from digitforge.addresses import PORT, UNIX, parse_address
from digitforge.errors import UnreachableError

TIMEOUT_S = 60.0
ADDRESS_VARIABLE, TIMEOUT_VARIABLE = "DIGITFORGE_CLIENT_ADDRESS", "DIGITFORGE_CLIENT_TIMEOUT_S"

# gRPC's own retries (gRFC A6), of what has not answered anything yet: all calls of the contract may be repeated, since
# equal requests have equal answers. A server that says when to come again is obeyed; one that refuses call after call
# gets fewer of them a second time, and then none.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    "methodConfig": [
        {
            # Of the other, models answer alike as well, or nobody could batch their rows.
            "name": [
                {"service": "digits.v1.Digits"},
                {"service": "inference.GRPCInferenceService", "method": "ModelInfer"},
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ],
}
OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", 64 << 20),
    # A larger request would be tried once: gRPC keeps no copy. Of pictures, so much is on its way at a time.
    ("grpc.per_rpc_retry_buffer_size", 17 << 20),
    # A server that is back is found soon: gRPC's own pauses begin at a second and go up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5000),
]


@dataclass(frozen=True)
class Endpoint:
    """Where a client's calls go.

    Attributes:
        addresses: Such as `localhost:50051`, at least one. Calls go to each in turn. Or one Unix socket, such as
            `unix:/run/digitforge.sock`.
        timeout_s: What a call is given, with all its repetitions.
    """

    addresses: tuple[str, ...]
    timeout_s: float

    @classmethod
    def of(cls, address: str | Sequence[str] | None, timeout_s: float | None) -> Self:
        """As a client's arguments say; where they say nothing, the environment, and then the defaults.

        Raises:
            ValueError: It is no address, or no time.
        """
        if address is None:
            with_name = f"{ADDRESS_VARIABLE}: "
            texts = (os.environ.get(ADDRESS_VARIABLE) or f"localhost:{PORT}").split(",")
        else:
            with_name = ""
            texts = address.split(",") if isinstance(address, str) else list(address)
        if not texts:
            raise ValueError("at least one address is needed")
        try:
            addresses = tuple(dict.fromkeys(map(parse_address, texts)))
            if len(addresses) > 1 and (sockets := [address for address in addresses if address.startswith(UNIX)]):
                raise ValueError(f"{sockets[0]!r} is a Unix socket, which stands alone: gRPC takes no list with it")
        except ValueError as error:
            raise ValueError(f"{with_name}{error}") from None
        return cls(addresses, _timeout(timeout_s))

    @property
    def target(self) -> str:
        """What gRPC calls it.

        One name is left to gRPC, which asks for it again as connections break, and takes all addresses that it stands
        for. gRPC takes no list of names, so several are looked up here, once.

        Raises:
            UnreachableError: A name among several is not known.
        """
        if len(self.addresses) == 1:
            return self.addresses[0]
        found = dict.fromkeys(place for address in self.addresses for place in _look_up(address))
        if all(ip.version == 4 for ip, _ in found):
            return "ipv4:" + ",".join(f"{ip}:{port}" for ip, port in found)
        return "ipv6:" + ",".join(f"[{ip if ip.version == 6 else f'::ffff:{ip}'}]:{port}" for ip, port in found)

    @property
    def options(self) -> list[tuple[str, int | str]]:
        """Of its channel. What a list of addresses is called by, is the first one's name; a Unix socket has none."""
        authority = "localhost" if self.addresses[0].startswith(UNIX) else self.addresses[0]
        return [*OPTIONS, ("grpc.default_authority", authority)]


def parse_timeout(text: str | float) -> float:
    """Seconds.

    Raises:
        ValueError: It is no number above 0.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return seconds


def _timeout(given: float | None) -> float:
    if given is not None:
        return parse_timeout(given)
    try:
        return parse_timeout(os.environ.get(TIMEOUT_VARIABLE) or TIMEOUT_S)
    except ValueError as error:
        raise ValueError(f"{TIMEOUT_VARIABLE}: {error}") from None


def _look_up(address: str) -> list[tuple[IPv4Address | IPv6Address, int]]:
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        problem = f"{host} has no address: {error.strerror}"
        raise UnreachableError(grpc.StatusCode.UNAVAILABLE, problem, addresses=(address,)) from error
    return [(ip_address(place[0]), int(port)) for *_, place in found]
