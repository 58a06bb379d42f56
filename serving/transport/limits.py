"""What a transport takes from its peers, of everything: one object for both transports."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20
SMALL_MESSAGE_BYTES = 4096  # more than a question about health or methods ever has


@dataclass(frozen=True)
class Limits:
    """Of one server's process. Of seconds, strikes and connections, 0 is no limit.

    grpcio's server has those of them that its options name; docs/transports.md has the rest.

    Attributes:
        max_message_bytes: Size of a request message.
        max_small_message_bytes: The same, of services that are asked little.
        max_header_bytes: Of a call's header fields, as HTTP/2 counts them.
        max_connections: At a time; a further one takes the place of the one that was idle for longest.
        max_streams: Calls of one connection at a time.
        max_resets_per_s: Calls of one connection that its client may cancel a second; ten seconds' worth at once.
        handshake_s: Within which a connection has to begin as HTTP/2.
        request_s: Within which a request message has to come, and a second more for ...
        request_bytes_per_s: ... so many bytes of it.
        held_bytes: Of requests, that wait in the process to be whole or to be taken; a sixteenth more for small ones.
        connection_held_bytes: The same of one connection.
        unread_bytes: Of answers, that wait in the process for their callers to read.
        connection_unread_bytes: The same of one connection.
        max_age_s: After which a connection is told to go, give or take a tenth (gRFC A9) ...
        age_grace_s: ... and how long its calls in flight are given then.
        max_idle_s: How long a connection may be without a call (gRFC A9).
        keepalive_s: How long a connection may be silent before the client is asked whether it is there (gRFC A8) ...
        keepalive_timeout_s: ... and how long it may take to answer.
        min_ping_interval_s: More often a client that is sent nothing may not ping (gRFC A8) ...
        max_ping_strikes: ... but for so many times; then its connection ends.
    """

    max_message_bytes: int = 16 * MEBIBYTE
    max_small_message_bytes: int = SMALL_MESSAGE_BYTES
    max_header_bytes: int = 16 * 1024
    max_connections: int = 0
    max_streams: int = 100
    max_resets_per_s: int = 2000
    handshake_s: float = 10
    request_s: float = 30
    request_bytes_per_s: int = 16_000
    held_bytes: int = 256 * MEBIBYTE
    connection_held_bytes: int = 64 * MEBIBYTE
    unread_bytes: int = 256 * MEBIBYTE
    connection_unread_bytes: int = 32 * MEBIBYTE
    max_age_s: float = 0
    age_grace_s: float = 0
    max_idle_s: float = 0
    keepalive_s: float = 0
    keepalive_timeout_s: float = 20
    min_ping_interval_s: float = 300
    max_ping_strikes: int = 2
