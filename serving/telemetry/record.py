"""What becomes known of a call while it is in work, wherever that is: it goes with the call's context."""

import random
import re
from contextvars import ContextVar
from typing import Any

REQUEST_ID_KEY = "x-request-id"
# What a caller's own may be: it is written into a line, and nobody shall break out of it.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class CallRecord:
    """A call so far.

    Attributes:
        began: Time of `time.monotonic()` at which its handler began; 0.0 before.
        rows: That it has submitted to models.
        model, version: Of the model that took them, once one has.
        queue_s: How long they waited, together.
        run_s: How long the batches that they were in ran.
        context: The handler's, where the call may be logged.
    """

    # Of the class until they are set: most are never, and each call makes one of these.
    began = 0.0
    rows = 0
    model: str | None = None
    version: str | None = None
    queue_s = 0.0
    run_s = 0.0
    context: Any = None
    _request_id: str | None = None

    @property
    def request_id(self) -> str | None:
        """What the caller named the call, or else one that is drawn; None where the call is not logged."""
        if self._request_id is None and self.context is not None:
            named = dict(self.context.invocation_metadata() or ()).get(REQUEST_ID_KEY)
            is_fit = isinstance(named, str) and REQUEST_ID.fullmatch(named)
            self._request_id = named if is_fit else f"{random.getrandbits(64):016x}"
        return self._request_id


CURRENT: ContextVar[CallRecord | None] = ContextVar("call", default=None)
"""The call that the running task works for."""


def request_id() -> str | None:
    """Of the call that the running task works for, where it is logged."""
    return None if (record := CURRENT.get()) is None else record.request_id
