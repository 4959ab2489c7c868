"""Exact integer splits, each naming where its remainder goes. The parts always add up to the whole."""

from fractions import Fraction
from itertools import pairwise


def rounded_up_last_takes_rest(total: int, *, parts: int, unit: int) -> tuple[int, ...]:
    """Split `total` into equal parts rounded **up** to a multiple of `unit`; the last part is the rest.

    The last part may come out zero or negative: its meaning is the caller's.
    `rounded_up_last_takes_rest(500_000, parts=30, unit=100)` is 29 × 16,700 and 15,700.
    Source: RULES.md section 3.
    """
    regular = -(-total // (parts * unit)) * unit
    return (*[regular] * (parts - 1), total - regular * (parts - 1))


def cumulative_floor(total: Fraction, *, parts: int) -> tuple[int, ...]:
    """Split `total` so that the first *i* parts add up to `floor(total × i / parts)`: no part drifts by one or more.

    The fraction of a unit that all parts together leave is the caller's.
    `cumulative_floor(Fraction(10), parts=4)` is (2, 3, 2, 3).
    Source: RULES.md section 4, `portion`.
    """
    reached = [total.numerator * part // (total.denominator * parts) for part in range(parts + 1)]
    return tuple(after - before for before, after in pairwise(reached))
