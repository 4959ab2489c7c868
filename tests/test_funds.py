"""Funds: applied and unapplied money, and the largest sum held at the end of a day."""

from ledger.state.funds import Funds
from tests.plans import DAY, D


def test_money_is_applied_or_unapplied_and_most_held_at_the_end_of_a_day() -> None:
    """One cent applied, two unapplied the day after; both taken back, of which the first was applied."""
    funds = Funds()
    funds.receive("bank-1", 1, D, applied=True)
    assert funds.most_held() == (1, D)
    funds.receive("bank-2", 2, D + DAY, applied=False)
    assert (funds.paid, funds.unapplied, funds.applied(), funds.waiting()) == (1, 2, ("bank-1",), ("bank-2",))
    assert funds.most_held() == (3, D + DAY)
    assert funds.return_payment("bank-2", D + 2 * DAY) is False
    assert funds.return_payment("bank-1", D + 2 * DAY) is True
    assert (funds.paid, funds.unapplied, funds.applied(), funds.waiting()) == (0, 0, (), ())
    assert funds.most_held() == (3, D + DAY)


def test_of_equal_sums_the_first_day_counts_and_within_a_day_only_its_end() -> None:
    """Money that comes and goes within a day is not held; the sum of an earlier day is not reached again."""
    funds = Funds()
    funds.receive("bank-1", 5, D, applied=False)
    funds.receive("bank-2", 9, D + DAY, applied=False)
    funds.return_payment("bank-2", D + DAY)
    assert funds.most_held() == (5, D)
    assert list(funds.apply_waiting()) == ["bank-1"]
    assert (funds.paid, funds.unapplied, funds.applied(), funds.waiting()) == (5, 0, ("bank-1",), ())
    assert funds.most_held() == (5, D)
