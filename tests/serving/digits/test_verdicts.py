"""The order in which a verdict is asked for, and what a detector without heads leaves out of it."""

import pytest

from digitforge.pictures.decoded import Found
from digitforge.verdict import Verdict
from serving.digits.verdicts import Seen, Thresholds, verdict

REAL, GENERATED, NONE = Verdict.REAL_DIGIT, Verdict.GENERATED, Verdict.NOT_ONE_DIGIT


@pytest.mark.parametrize(
    ("real", "one_digit", "expected"),
    [(0.7, 0.3, REAL), (0.69, 0.3, GENERATED), (0.7, 0.29, NONE), (0.69, 0.29, NONE), (0.0, 1.0, GENERATED)],
)
def test_one_digit_is_asked_first_each_at_its_threshold(real: float, one_digit: float, expected: Verdict) -> None:
    seen = Seen(real, 3, 0.9, one_digit)
    assert verdict(Found.ONE, seen, Thresholds(0.7, 0.3)) is expected
    assert verdict(Found.SEVERAL, seen, Thresholds(0.7, 0.3)) is NONE


@pytest.mark.parametrize(
    ("one_digit", "thresholds"), [(None, Thresholds(0.5, 0.9)), (0.0, Thresholds(0.5)), (None, Thresholds(0.5))]
)
def test_what_is_not_told_is_no_reason(one_digit: float | None, thresholds: Thresholds) -> None:
    assert verdict(Found.ONE, Seen(0.5, one_digit_probability=one_digit), thresholds) is REAL
    assert verdict(Found.ONE, Seen(0.4, one_digit_probability=one_digit), thresholds) is GENERATED
    assert verdict(Found.SEVERAL, Seen(0.5, one_digit_probability=one_digit), thresholds) is NONE
