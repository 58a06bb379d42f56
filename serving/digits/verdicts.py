"""From what a picture and its detector tell to a verdict.

A picture is asked first, then whether it shows one digit at all, and last whether a hand wrote that: a generated
digit's probability says nothing of what is none.
"""

from dataclasses import dataclass

from digitforge.pictures.decoded import Found
from digitforge.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Seen:
    """A detector's answer for an image. What a detector without the heads for it does not tell is None.

    Attributes:
        real_probability: 1: a real digit, 0: a generated one.
        digit: The class that it is taken for.
        digit_probability: Of that class.
        one_digit_probability: That it shows one digit, and nothing else.
    """

    real_probability: float
    digit: int | None = None
    digit_probability: float | None = None
    one_digit_probability: float | None = None


NOTHING = Seen(0.0)  # in an image in which nothing was found: no detector is asked


@dataclass(frozen=True)
class Thresholds:
    """Of a detector: the probabilities from which an image is a real digit, and one digit at all (None: not told)."""

    real: float
    one_digit: float | None = None


def verdict(found: Found, seen: Seen, thresholds: Thresholds) -> Verdict:
    """What an image is, in which something was found."""
    one_digit, least = seen.one_digit_probability, thresholds.one_digit
    if found is Found.SEVERAL or (one_digit is not None and least is not None and one_digit < least):
        return Verdict.NOT_ONE_DIGIT
    return Verdict.REAL_DIGIT if seen.real_probability >= thresholds.real else Verdict.GENERATED
