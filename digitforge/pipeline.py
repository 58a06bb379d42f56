"""Many images' scores: a call for each, several on their way at a time, answered in order.

Calls of their own cost what messages of a ScoreStream do (on an Intel Xeon of the Sapphire Rapids kind 70 to 100
microseconds an image here and 180 to 220 in the server, either way), and each is repeated, refused and sent to one of
several servers by itself: an image that is larger than a server takes ends nothing but its own call.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from digitforge.messages import Image, score_request
from protos.digits.v1 import digits_pb2 as pb

IN_FLIGHT = 64  # images on their way at a time, which share the server's batches ...
IN_FLIGHT_BYTES = 16 << 20  # ... and of how many bytes; a larger one goes alone


class Cancellable(Protocol):
    """A call that has begun."""

    def cancel(self) -> bool:
        """End it, where it has not ended."""


CallT = TypeVar("CallT", bound=Cancellable)


class Pipeline(Generic[CallT]):
    """The calls on their way. It waits for none: it says which one's answer is due before more may go.

    Args:
        send: Begins a call.
        version: Of the model.
        return_image: Whether to ask for what was scored.
    """

    def __init__(self, send: Callable[[pb.ScoreRequest], CallT], version: int, return_image: bool) -> None:
        self._send, self._version, self._return_image = send, version, return_image
        self._calls: deque[tuple[CallT, int]] = deque()  # and the bytes of its image
        self._bytes = 0

    def put(self, image: Image) -> Iterator[CallT]:
        """Send an image, once the calls that this gives have been answered.

        Raises:
            TypeError, ValueError: It is no image.
        """
        request = score_request(image, self._version, self._return_image)
        size = len(request.image)
        while self._calls and self._bytes + size > IN_FLIGHT_BYTES:
            yield from self._oldest()
        self._calls.append((self._send(request), size))
        self._bytes += size
        if len(self._calls) == IN_FLIGHT:
            yield from self._oldest()

    def rest(self) -> Iterator[CallT]:
        """The calls that are still to be answered."""
        while self._calls:
            yield from self._oldest()

    def close(self) -> None:
        """Cancel what is on its way."""
        for call, _ in self._calls:
            call.cancel()

    def _oldest(self) -> Iterator[CallT]:
        call, size = self._calls[0]
        yield call  # on its way until it is answered
        self._calls.popleft()
        self._bytes -= size
