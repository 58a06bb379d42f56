"""How long to wait before another process takes a dead one's place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BackOff:
    """The wait doubles with each failure in a row.

    Args:
        steady_s: One that has lived so long is replaced at once.
        first_s: The wait after one that has not.
        longest_s: The wait at most.
    """

    steady_s: float = 10.0
    first_s: float = 0.1
    longest_s: float = 10.0

    def delay_s(self, lived_s: float, failures: int) -> float:
        """After one that lived so long, and so many before it in a row that never came up."""
        if lived_s >= self.steady_s:
            return 0.0
        return min(self.longest_s, self.first_s * 2 ** min(failures, 32))
