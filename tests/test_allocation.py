"""Splits of whole numbers: they add up, they do not drift, and the remainder is in its documented part."""

from fractions import Fraction
from itertools import accumulate
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.terms.allocation import cumulative_floor, rounded_up_last_takes_rest

TOTALS = st.integers(0, 10**15)
PARTS = st.integers(1, 400)
UNITS = st.one_of(st.sampled_from([1, 7, 10, 100, 1_000]), st.integers(1, 10**6))
FRACTIONS = st.builds(Fraction, st.integers(0, 10**12), st.integers(1, 10**6))


@given(total=TOTALS, parts=PARTS, unit=UNITS)
def test_rounded_up_parts_add_up(total: int, parts: int, unit: int) -> None:
    """The parts are as many as asked for and add up to the total, to the last minor unit."""
    split = rounded_up_last_takes_rest(total, parts=parts, unit=unit)
    assert len(split) == parts
    assert sum(split) == total


@given(total=TOTALS, parts=st.integers(2, 400), unit=UNITS)
def test_the_regular_part_is_rounded_up_to_the_unit_and_the_last_takes_the_rest(
    total: int, parts: int, unit: int
) -> None:
    """Every part but the last is the exact part rounded up to the next multiple of the unit; the last is no larger."""
    *regular, last = rounded_up_last_takes_rest(total, parts=parts, unit=unit)
    assert set(regular) == {ceil(Fraction(total, parts) / unit) * unit}
    assert last <= regular[0]
    assert regular[0] - last < parts * unit


@given(total=TOTALS, parts=PARTS, unit=UNITS, more=st.integers(0, 10**6))
def test_a_larger_total_gives_no_smaller_regular_part(total: int, parts: int, unit: int, more: int) -> None:
    """The regular part grows with the total."""
    before, after = (rounded_up_last_takes_rest(price, parts=parts, unit=unit)[0] for price in (total, total + more))
    assert before <= after


@pytest.mark.parametrize(
    ("total", "parts", "unit", "expected"),
    [
        (500_000, 30, 100, [16_700] * 29 + [15_700]),
        (300_000, 20, 100, [15_000] * 20),
        (100, 3, 1, [34, 34, 32]),
        (100, 3, 50, [50, 50, 0]),
        (100, 4, 50, [50, 50, 50, -50]),
        (99, 1, 50, [99]),
        (100, 3, 33, [66, 66, -32]),
        (99, 3, 33, [33, 33, 33]),
        (98, 3, 33, [33, 33, 32]),
    ],
)
def test_rounded_up_examples(total: int, parts: int, unit: int, expected: list[int]) -> None:
    """5,000.00 in 30 with a unit of 1.00 is 29 × 167.00 and 157.00; the last part may be nothing, or less."""
    assert list(rounded_up_last_takes_rest(total, parts=parts, unit=unit)) == expected


@given(total=FRACTIONS, parts=PARTS)
def test_after_every_part_the_sum_is_the_exact_part_rounded_down(total: Fraction, parts: int) -> None:
    """The first i parts add up to floor(total × i / parts), the last of them to floor(total): nothing drifts."""
    split = cumulative_floor(total, parts=parts)
    assert list(accumulate(split)) == [floor(total * i / parts) for i in range(1, parts + 1)]
    assert sum(split) == floor(total)


@given(total=FRACTIONS, parts=PARTS)
def test_parts_of_a_spread_are_even(total: Fraction, parts: int) -> None:
    """No part is negative, and no two parts differ by more than one."""
    split = cumulative_floor(total, parts=parts)
    assert len(split) == parts
    assert min(split) >= 0
    assert max(split) - min(split) <= 1


@given(total=FRACTIONS, parts=PARTS, more=FRACTIONS)
def test_a_larger_total_spreads_no_less_at_any_point(total: Fraction, parts: int, more: Fraction) -> None:
    """With a larger total, after no number of parts is the sum smaller."""
    before, after = (accumulate(cumulative_floor(whole, parts=parts)) for whole in (total, total + more))
    assert all(less <= same_or_more for less, same_or_more in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("total", "parts", "expected"),
    [
        (Fraction(10), 4, [2, 3, 2, 3]),
        (Fraction(10), 3, [3, 3, 4]),
        (Fraction(1000, 3), 4, [83, 83, 84, 83]),
        (Fraction(2, 3), 2, [0, 0]),
        (Fraction(3), 4, [0, 1, 1, 1]),
        (Fraction(0), 3, [0, 0, 0]),
        (Fraction(7), 1, [7]),
    ],
)
def test_cumulative_floor_examples(total: Fraction, parts: int, expected: list[int]) -> None:
    """Ten in four is 2, 3, 2, 3; the fraction that is left over is in no part."""
    assert list(cumulative_floor(total, parts=parts)) == expected
