"""What a batcher tells whoever wants to know how it goes."""

from collections.abc import Sequence
from typing import Any, Protocol


class Request(Protocol):
    """Rows of a caller, as their observer sees them.

    Attributes:
        call: What `request_came` returned.
        came: When they were submitted, of `time.monotonic()`.
        queue_s: How long they waited, until the first of them was picked up.
        run_s: How long the batches that they were in ran, together.
    """

    call: Any
    came: float
    queue_s: float
    run_s: float


class Observer(Protocol):
    """Is told of the requests and batches of one model, in the event loop's thread."""

    def request_came(self, rows: int) -> Any:
        """A caller has submitted rows; told in the caller's own context.

        Returns:
            What goes with them as their `call`.
        """

    def request_failed(self, error: BaseException, request: Request | None = None) -> None:
        """A caller goes without an answer.

        Args:
            error: Why: a refusal, asyncio's CancelledError, or the model's failure.
            request: Absent where the rows were not taken at all.
        """

    def batch_ran(self, rows: int, answered: Sequence[Request]) -> None:
        """The model has run a batch of so many rows, and with it these requests have all of their answers."""


class Unobserved:
    """Nobody wants to know."""

    def request_came(self, rows: int) -> None: ...

    def request_failed(self, error: BaseException, request: Request | None = None) -> None: ...

    def batch_ran(self, rows: int, answered: Sequence[Request]) -> None: ...
