"""What a batcher tells whoever wants to know how it goes."""

from typing import Protocol


class Observer(Protocol):
    """Is told of the requests and batches of one model, in the event loop's thread."""

    def request_came(self) -> None:
        """A caller has submitted rows."""

    def request_ended(
        self, rows: int, queue_s: float, run_s: float, total_s: float, error: BaseException | None
    ) -> None:
        """A caller has its answer, or goes without; told in the caller's own context.

        Args:
            rows: That it had submitted.
            queue_s: How long they waited, until the first of them was picked up.
            run_s: How long the batches that they were in ran, together.
            total_s: From their coming to this.
            error: Why there is no answer: a refusal, asyncio's CancelledError, or the model's failure.
        """

    def batch_ran(self, rows: int) -> None:
        """The model has run a batch of so many rows."""


class Unobserved:
    """Nobody wants to know."""

    def request_came(self) -> None: ...

    def request_ended(
        self, rows: int, queue_s: float, run_s: float, total_s: float, error: BaseException | None
    ) -> None: ...

    def batch_ran(self, rows: int) -> None: ...
