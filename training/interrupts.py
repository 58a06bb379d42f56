"""Ctrl-C and SIGTERM as a wish to stop at the next whole step, so that a run can save itself."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Set once somebody wants the run to stop."""

    requested = False

    def __bool__(self) -> bool:
        return self.requested


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within it the first signal sets the request; a second one raises KeyboardInterrupt as usual."""
    request = StopRequest()

    def handle(number: int, frame: FrameType | None) -> None:
        if request:
            raise KeyboardInterrupt
        request.requested = True
        print("\nstopping at the next step (again to stop at once)", file=sys.stderr)

    handled = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in handled]
    try:
        yield request
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)
