"""HTTP/2 itself, by libnghttp2: all that this server knows of `ngh2`, the library's binding, is here."""

from enum import IntEnum
from typing import Any

import ngh2
from ngh2 import (
    ConnectionClosed,
    DataReceived,
    PingReceived,
    RequestReceived,
    SettingsReceived,
    StreamClosed,
    TrailersReceived,
)

from serving.transport.http2.messages import Fields
from serving.transport.limits import Limits

__all__ = [
    "ConnectionClosed",
    "DataReceived",
    "EndCode",
    "PingReceived",
    "RequestReceived",
    "Session",
    "SessionError",
    "SettingsReceived",
    "StreamClosed",
    "TrailersReceived",
]

STREAM_WINDOW = 512 * 1024  # bytes of one request on their way
LARGEST_WINDOW = 2**31 - 1
# Of a header block libnghttp2 ends the whole connection: ours is for the call, and far below.
BLOCK_BYTES, BLOCK_FIELDS, BLOCK_FRAMES = 1 << 20, 1 << 15, 64
RESETS_AT_ONCE_S = 10
GOAWAY_HEAD = b"\0\0\x08\x07\0\0\0\0\0"  # of a GOAWAY without words, on stream 0


class EndCode(IntEnum):
    """Why a stream or a connection ends, as RFC 9113 counts it (section 7)."""

    NO_ERROR = 0x0
    CANCEL = 0x8
    ENHANCE_YOUR_CALM = 0xB


class SessionError(Exception):
    """The peer speaks no HTTP/2, or attacks: nothing but the last words is left to say."""


class Session:
    """One connection's state: bytes in, events out; answers in, bytes out.

    What is asked of a stream that is gone is passed over: its peer may have reset it at any moment.

    Args:
        limits: Of streams, header fields and resets.
    """

    def __init__(self, limits: Limits) -> None:
        configuration = ngh2.Configuration(
            auto_window_update=False,
            max_inbound_header_list_size=BLOCK_BYTES,
            max_inbound_header_count=BLOCK_FIELDS,
            max_continuations=BLOCK_FRAMES,
            stream_reset_rate_limit=(RESETS_AT_ONCE_S * limits.max_resets_per_s, limits.max_resets_per_s),
        )
        self._http = ngh2.Connection(ngh2.Role.SERVER, configuration)
        self.last_stream_id = 0  # that was taken; its user counts
        self._http.initiate_connection(
            {
                ngh2.Setting.MAX_CONCURRENT_STREAMS: limits.max_streams,
                ngh2.Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                ngh2.Setting.MAX_HEADER_LIST_SIZE: limits.max_header_bytes,
            }
        )
        # All streams' windows together, so that those whose servicers do not read hold back none of the others.
        self._http.set_local_window_size(min(LARGEST_WINDOW, limits.max_streams * STREAM_WINDOW))

    # In

    def receive(self, data: bytes) -> list[Any]:
        """Take bytes of the peer's; the events that they make.

        Raises:
            SessionError: The connection has to end.
        """
        try:
            self._http.receive_data(data)
        except ngh2.NGH2Error as error:
            raise SessionError(str(error)) from error
        return self.events()

    def events(self) -> list[Any]:
        """Events that what was sent has made.

        Raises:
            SessionError: The connection has to end.
        """
        try:
            return self._http.events()
        except ngh2.NGH2Error as error:
            raise SessionError(str(error)) from error

    def acknowledge(self, stream_id: int, count: int) -> None:
        """Let the peer send so many bytes more of a request."""
        try:
            self._http.acknowledge_received_data(count, stream_id)
        except ngh2.NGH2Error:
            return

    # Out

    def send_head(self, stream_id: int, fields: Fields, is_end: bool = False) -> None:
        """An answer's header fields."""
        try:
            self._http.send_response(stream_id, fields, end_stream=is_end)
        except ngh2.NGH2Error:
            return

    def send_body(self, stream_id: int, data: bytes) -> None:
        """Some of an answer's body."""
        try:
            self._http.send_data(stream_id, data)
        except ngh2.NGH2Error:
            return

    def send_trailers(self, stream_id: int, fields: Fields) -> None:
        """An answer's end."""
        try:
            self._http.send_trailers(stream_id, fields)
        except ngh2.NGH2Error:
            return

    def reset(self, stream_id: int, code: EndCode) -> None:
        """End a stream at once, and drop what has not been sent of it."""
        try:
            self._http.reset_stream(stream_id, code)
        except ngh2.NGH2Error:
            return

    def ping(self) -> None:
        """Ask the peer whether it is there."""
        try:
            self._http.ping()
        except ngh2.NGH2Error:
            return

    def send_notice(self) -> None:
        """Ask for no more streams; those that are on their way are still taken."""
        try:
            self._http.send_shutdown_notice()
        except ngh2.NGH2Error:
            return

    def send_goaway(self, code: EndCode = EndCode.NO_ERROR, words: bytes = b"") -> None:
        """Take no more streams."""
        try:
            self._http.send_goaway(code, debug_data=words)
        except ngh2.NGH2Error:
            return

    def unsent_bytes(self, stream_id: int | None = None) -> int:
        """Of answers' bodies: of a stream, or of all."""
        try:
            return self._http.queued_body_size(stream_id)
        except ngh2.NGH2Error:
            return 0

    def has_more_to_send(self) -> bool:
        """Whether there is anything for the peer that its windows let through."""
        try:
            return bool(self._http.want_write)
        except ngh2.NGH2Error:
            return False

    def take(self, amount: int) -> bytes:
        """The next bytes for the peer, at most so many; none: there is nothing to send, or its windows are full.

        Raises:
            SessionError: The connection has to end.
        """
        try:
            return self._http.data_to_send(amount)
        except ngh2.NGH2Error as error:
            raise SessionError(str(error)) from error

    def last_words(self) -> bytes:
        """What is left to send after an error: a GOAWAY at least, so that the peer knows which calls were not taken."""
        try:
            return self._http.data_to_send()
        except ngh2.NGH2Error:  # beyond some limits of its own, libnghttp2 says no more
            return GOAWAY_HEAD + self.last_stream_id.to_bytes(4, "big") + EndCode.ENHANCE_YOUR_CALM.to_bytes(4, "big")
