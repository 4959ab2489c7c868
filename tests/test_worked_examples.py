"""Worked examples of RULES.md, run by both implementations of the rules: the reference model and the ledger.

Every number is worked out from the rules by hand; the number behind each docstring is the section of the rules. The
examples are in the words of the reference model, `reference_words` translates them for the ledger.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Protocol

import pytest

from ledger.audit import verify as reference_model
from ledger.audit.verify import CancelRequested, Fact, Paid, Promo, Reinstated, Report, Reversed, Terms
from tests.reference_words import LedgerInReferenceWords

DUE = date(2023, 5, 10)
OPENED = date(2023, 4, 10)

# 1,000 USD in 10 installments of 100; 23 shares per USD: 2,300 each, tranche 34,000 - 23,000 = 11,000.
TEN = Terms(
    price=100_000,
    exponent=2,
    shares=34_000,
    installments=10,
    rounding_unit=1,
    release=("per_unit", "23"),
    schedule=("monthly",),
    first_due_on=DUE,
    grace_days=19,
    promos=(),
    stacking="additive",
)
# 3,000 USD in 20 installments of 150; 49 shares per USD: 7,350 each.
TWENTY = replace(TEN, price=300_000, shares=351_000, installments=20, release=("per_unit", "49"))

ON_TIME = Promo("on_time", "on_time", 500)
BY_DUE_DATE = Promo("on_time", "strict", 500, standard="by_due_date")
CAMPAIGN = Promo("package", "spring", 1000)
DOUBLE = Promo("double", "double", 50)
EARLY = Promo("early", "early", 100)


def paid(on: date, reference: str, amount: int = 10_000, kind: str = "regular") -> Paid:
    """A payment, by default of one installment."""
    return Paid(on, reference, amount, kind)


def each_due_date(terms: Terms, count: int) -> list[Fact]:
    """The first `count` installments, each paid on its due date by p1, p2, ..."""
    return [paid(due, f"p{i}", amount) for i, (due, amount, _) in enumerate(reference_model.schedule(terms)[:count], 1)]


class Rules(Protocol):
    """An implementation of the rules, in the words of the reference model."""

    def schedule(self, terms: Terms) -> list[tuple[date, int, int]]:
        """Return due date, amount and released shares of each installment."""

    def derive(self, terms: Terms, opened_on: date, facts: Sequence[Fact], as_of: date) -> Report:
        """Return the report on a date."""


IMPLEMENTATIONS: dict[str, Any] = {"reference model": reference_model, "ledger": LedgerInReferenceWords}
At = Callable[[Terms, list[Fact], date], Report]


@pytest.fixture(params=IMPLEMENTATIONS)
def rules(request: pytest.FixtureRequest) -> Rules:
    """Each implementation of the rules in turn."""
    implementation: Rules = IMPLEMENTATIONS[request.param]
    return implementation


@pytest.fixture
def at(rules: Rules) -> At:
    """The report of each implementation on a plan opened on 2023-04-10."""
    return lambda terms, facts, as_of: rules.derive(terms, OPENED, facts, as_of)


def outcomes(report: Report, kind: str) -> set[tuple[object, ...]]:
    """The outcomes of one kind."""
    return {outcome for outcome in report.outcomes if outcome[0] == kind}


# ------------------------------------------------------------------------------------ 3, 4
def test_amounts_are_rounded_up_and_the_last_is_the_rest(rules: Rules) -> None:
    """5,000.00 in 30 with a unit of 1.00 is 29 x 167.00 and 157.00 (3)."""
    terms = replace(TEN, price=500_000, installments=30, rounding_unit=100, release=("portion", "0"))
    assert [amount for _, amount, _ in rules.schedule(terms)] == [16_700] * 29 + [15_700]


def test_months_are_counted_from_the_anchor(rules: Rules) -> None:
    """Due dates are clamped to the end of the month and never chained: 31 Jan, 28 Feb, 31 Mar (3)."""
    terms = replace(TEN, first_due_on=date(2023, 1, 31))
    dues = [due for due, _, _ in rules.schedule(terms)]
    assert dues[:4] == [date(2023, 1, 31), date(2023, 2, 28), date(2023, 3, 31), date(2023, 4, 30)]
    across = [due for due, _, _ in rules.schedule(replace(TEN, first_due_on=date(2023, 12, 31)))]
    assert across[:3] == [date(2023, 12, 31), date(2024, 1, 31), date(2024, 2, 29)]


def test_every_n_days_and_explicit_lines(rules: Rules) -> None:
    """Every n days adds (i - 1) x n days; explicit lines are taken as they are (3)."""
    dues = [due for due, _, _ in rules.schedule(replace(TEN, schedule=("every", 14)))]
    assert dues[:3] == [date(2023, 5, 10), date(2023, 5, 24), date(2023, 6, 7)]
    lines = ((date(2023, 5, 1), 30_000), (date(2023, 5, 4), 70_000))
    terms = replace(TEN, installments=2, schedule=("lines", lines))
    assert rules.schedule(terms) == [(date(2023, 5, 1), 30_000, 6_900), (date(2023, 5, 4), 70_000, 16_100)]


def test_releases(rules: Rules) -> None:
    """Per unit floors each exactly, a portion is spread by cumulative rounding down, explicit is as listed (4)."""
    sevenths = replace(TWENTY, release=("per_unit", "45/7"))  # 150 x 45 / 7 = 964.28...
    assert {shares for _, _, shares in rules.schedule(sevenths)} == {964}
    third = replace(TEN, shares=1_000, installments=4, release=("portion", "1/3"))  # 83.3, 166.6, 250, 333.3
    assert [shares for _, _, shares in rules.schedule(third)] == [83, 83, 84, 83]
    listed = replace(TEN, installments=3, release=("explicit", (5, 0, 7)))
    assert [shares for _, _, shares in rules.schedule(listed)] == [5, 0, 7]


# ------------------------------------------------------------------------------------ 11
@pytest.mark.parametrize(
    ("terms", "before", "with_last", "bonus"),
    [(TWENTY, 139_650, 211_350, 17_550), (TEN, 20_700, 13_300, 1_700)],
)
def test_worked_examples(at: At, terms: Terms, before: int, with_last: int, bonus: int) -> None:
    """The worked examples: credited before the last installment, with it, and 5 % on time (11)."""
    terms = replace(terms, promos=(ON_TIME,))
    facts = each_due_date(terms, terms.installments)
    last = facts[-1].on
    assert last is not None
    eve = at(terms, facts, last - timedelta(days=1))
    done = at(terms, facts, last)
    assert (eve.status, eve.shares_credited, eve.bonus_promised) == ("active", before, bonus)
    assert (done.status, done.completed_on, done.shares_credited) == ("completed", last, before + with_last)
    assert (done.bonus_credited, done.bonus_promised, done.next_number) == (bonus, 0, None)
    reference = f"p{terms.installments}"
    whole_tranche = terms.shares - sum(shares for _, _, shares in reference_model.schedule(terms))
    assert outcomes(done, "completed") == {("completed", last, whole_tranche, reference)}
    assert outcomes(done, "promo") == {("promo", last, "on_time", bonus, reference)}


def test_five_percent_of_eighty_thousand(at: At) -> None:
    """5 % on time of 80,000 shares is 4,000 (11)."""
    assert at(replace(TEN, shares=80_000, promos=(ON_TIME,)), [], OPENED).bonus_promised == 4_000


# ------------------------------------------------------------------------------------ 5
def test_part_payments_settle_on_the_date_of_the_completing_one(at: At) -> None:
    """An installment is settled on the date of the payment that completes its amount (5)."""
    facts: list[Fact] = [paid(date(2023, 5, 1), "a", 4_000), paid(date(2023, 5, 9), "b", 7_000)]
    part = at(TEN, facts, date(2023, 5, 8))
    assert (part.settled, part.next_missing, part.shares_credited, part.paid) == (0, 6_000, 0, 4_000)
    whole = at(TEN, facts, date(2023, 5, 9))
    assert whole.outcomes == {("settled", date(2023, 5, 9), 1, 2_300, "b")}
    assert (whole.next_number, whole.next_due_on, whole.next_amount) == (2, date(2023, 6, 10), 10_000)
    assert (whole.next_shares, whole.next_missing, whole.outstanding) == (2_300, 9_000, 89_000)


def test_one_payment_may_settle_several(at: At) -> None:
    """A payment may settle several installments, due or not (5)."""
    report = at(TEN, [paid(DUE, "a", 30_000)], DUE)
    assert report.outcomes == {("settled", DUE, i, 2_300, "a") for i in (1, 2, 3)}


def test_overpaid_compares_the_money_received_with_the_price(at: At) -> None:
    """More money than the price at the end of a date is found on it, and a chargeback by then makes room (5)."""
    x = date(2023, 6, 1)
    whole, more = paid(DUE, "a", 100_000), paid(x, "b", 1)
    assert at(TEN, [whole, more], x).overpaid_on == x
    assert at(TEN, [whole, more], x - timedelta(days=1)).overpaid_on is None
    assert at(TEN, [whole, Reversed(x, "a", "chargeback"), more], x).overpaid_on is None
    assert at(TEN, [whole, more, Reversed(x, "a", "chargeback")], x).overpaid_on is None
    later = x + timedelta(days=1)
    assert at(TEN, [whole, more, Reversed(later, "a", "chargeback")], later).overpaid_on == x
    assert at(TEN, [whole, more, Reversed(None, "a", "error")], x).overpaid_on is None


# ------------------------------------------------------------------------------------ 6
@pytest.mark.parametrize(
    ("offset", "status", "past_due", "left"),
    [
        (-1, "active", 0, None),
        (0, "active", 0, None),
        (1, "in_grace", 1, 18),
        (2, "in_grace", 2, 17),
        (17, "in_grace", 17, 2),
        (18, "in_grace", 18, 1),
        (19, "in_grace", 19, 0),
        (20, "cancelled", 0, None),
        (21, "cancelled", 0, None),
    ],
)
def test_grace_table(at: At, offset: int, status: str, past_due: int, left: int | None) -> None:
    """Missed on D+1, the last day that saves is D+19, cancelled on D+20 (6)."""
    report = at(TEN, [], DUE + timedelta(days=offset))
    assert (report.status, report.days_past_due, report.days_left) == (status, past_due, left)
    in_grace = status == "in_grace"
    assert report.grace_ends_on == (date(2023, 5, 29) if in_grace else None)
    assert (report.overdue_number, report.overdue_due_on) == ((1, DUE) if in_grace else (None, None))
    assert report.amount_due == (10_000 if in_grace else 0)
    missed = {("missed", date(2023, 5, 11), 1, DUE, date(2023, 5, 29))} if offset >= 1 else set()
    cancelled = {("cancelled", date(2023, 5, 30), "grace", 1, 34_000)} if offset >= 20 else set()
    assert report.outcomes == missed | cancelled
    assert report.cancelled_on == (date(2023, 5, 30) if offset >= 20 else None)


@pytest.mark.parametrize(
    ("offset", "status", "settled"),
    [(0, "active", 1), (1, "active", 1), (18, "active", 1), (19, "active", 1), (20, "cancelled", 0)],
)
def test_last_day_that_saves(at: At, offset: int, status: str, settled: int) -> None:
    """A payment on D+19 saves the plan, on D+20 the deadline came first and the money is unapplied (6, 10)."""
    report = at(TEN, [paid(DUE + timedelta(days=offset), "a")], DUE + timedelta(days=offset))
    assert (report.status, report.settled) == (status, settled)
    assert (report.paid, report.unapplied) == (10_000 * settled, 10_000 * (1 - settled))


def test_grace_zero(at: At) -> None:
    """With no grace the due date is the last day; the day after, it is missed and then cancelled (6)."""
    terms = replace(TEN, grace_days=0)
    assert at(terms, [], DUE).status == "active"
    assert at(terms, [paid(DUE, "a")], DUE + timedelta(days=1)).status == "active"
    late = DUE + timedelta(days=1)
    report = at(terms, [paid(late, "a")], late)
    assert (report.status, report.unapplied) == ("cancelled", 10_000)
    assert report.outcomes == {("missed", late, 1, DUE, DUE), ("cancelled", late, "grace", 1, 34_000)}


def test_several_open_installments(at: At) -> None:
    """With several open, the days are those of the one whose grace ends first, and all that is due counts (6)."""
    terms = replace(TEN, grace_days=40)
    report = at(terms, [], date(2023, 6, 11))
    assert (report.overdue_number, report.days_past_due, report.grace_ends_on) == (1, 32, date(2023, 6, 19))
    assert report.amount_due == 20_000
    assert outcomes(report, "missed") == {
        ("missed", date(2023, 5, 11), 1, DUE, date(2023, 6, 19)),
        ("missed", date(2023, 6, 11), 2, date(2023, 6, 10), date(2023, 7, 20)),
    }
    assert at(terms, [], date(2023, 6, 10)).amount_due == 20_000  # what falls due today is due


def test_cancellation_forfeits_the_rest_of_the_package(at: At) -> None:
    """On cancellation the credited shares stay, the rest and every promotion not yet credited is forfeited (6)."""
    terms = replace(TEN, promos=(ON_TIME, CAMPAIGN))
    report = at(terms, each_due_date(TEN, 1), date(2023, 6, 30))
    assert (report.shares_credited, report.shares_promised, report.shares_forfeited) == (2_300, 0, 31_700)
    assert (report.bonus_credited, report.bonus_promised) == (0, 0)


def test_cancellation_by_request(at: At) -> None:
    """A request cancels on its date and payments after it are unapplied; on a cancelled plan it does nothing (6)."""
    on = date(2023, 5, 20)
    facts: list[Fact] = [paid(DUE, "a"), CancelRequested(on, "crm"), paid(on, "b"), CancelRequested(on, "crm-2")]
    report = at(TEN, facts, date(2023, 7, 31))
    assert (report.status, report.cancelled_on, report.unapplied) == ("cancelled", on, 10_000)
    assert report.outcomes == {("settled", DUE, 1, 2_300, "a"), ("cancelled", on, "request", "crm", 31_700)}
    too_late = at(TEN, [CancelRequested(date(2023, 5, 30), "crm")], date(2023, 5, 30))
    assert outcomes(too_late, "cancelled") == {("cancelled", date(2023, 5, 30), "grace", 1, 34_000)}


# ------------------------------------------------------------------------------------ 7
def test_on_time_within_grace(at: At) -> None:
    """Within grace, a payment on D+19 keeps the bonus; only cancellation loses it (7)."""
    terms = replace(TEN, promos=(ON_TIME,))
    facts: list[Fact] = [paid(DUE + timedelta(days=19), "a", 100_000)]
    assert at(terms, facts, DUE + timedelta(days=18)).bonus_promised == 1_700
    assert at(terms, facts, DUE + timedelta(days=19)).bonus_credited == 1_700
    assert at(terms, [], DUE + timedelta(days=20)).bonus_promised == 0


def test_on_time_by_due_date(at: At) -> None:
    """By due date, the promise is lost on the day after a due date passes unpaid, for good (7)."""
    terms = replace(TEN, promos=(BY_DUE_DATE,))
    late = DUE + timedelta(days=1)
    assert at(terms, [], DUE).bonus_promised == 1_700
    assert at(terms, [], late).bonus_promised == 0
    assert at(terms, [paid(late, "a")], late).bonus_promised == 0
    assert at(terms, [paid(late, "a", 100_000)], late).bonus_credited == 0
    assert at(terms, [paid(DUE, "a", 100_000)], DUE).bonus_credited == 1_700


def test_on_time_by_due_date_counts_the_last_settlement(at: At) -> None:
    """By due date, every installment must be settled for the last time no later than its due date (7)."""
    terms = replace(TEN, promos=(BY_DUE_DATE,))
    early: list[Fact] = [paid(OPENED, "a", 100_000), Reversed(DUE, "a", "chargeback")]
    assert at(terms, early, DUE).bonus_promised == 1_700  # number 1 is due today, still in time
    assert at(terms, [*early, paid(DUE, "b", 100_000)], DUE).bonus_credited == 1_700
    x = DUE + timedelta(days=1)
    late: list[Fact] = [paid(OPENED, "a", 100_000), Reversed(x, "a", "chargeback"), paid(x, "b", 100_000)]
    assert at(terms, late, DUE).bonus_credited == 1_700
    assert at(terms, late, x).bonus_credited == 0


def test_package_bonus(at: At) -> None:
    """A campaign is on the package's shares and credited on completion (7)."""
    terms = replace(TEN, promos=(CAMPAIGN,))
    assert at(terms, [], OPENED).bonus_promised == 3_400
    done = at(terms, [paid(DUE, "a", 100_000)], DUE)
    assert outcomes(done, "promo") == {("promo", DUE, "spring", 3_400, "a")}


@pytest.mark.parametrize(
    ("base", "credit", "shares"),
    [("package", "at_once", 170), ("package", "on_completion", 170), ("released", "at_once", 11)],
)
def test_double_payment(at: At, base: str, credit: str, shares: int) -> None:
    """Settling the one next due and the one after earns once 0.5 % of the package, or of one release (7)."""
    terms = replace(TEN, promos=(replace(DOUBLE, base=base, credit=credit),))  # 34,000 / 200; 2,300 / 200 = 11.5
    facts: list[Fact] = [paid(DUE, "a", 30_000)]
    report = at(terms, facts, DUE)
    at_once = credit == "at_once"
    assert report.bonus_credited == (shares if at_once else 0)
    assert report.bonus_promised == (0 if at_once else shares)
    assert outcomes(report, "promo") == ({("promo", DUE, "double", shares, "a")} if at_once else set())
    facts.append(paid(date(2023, 8, 10), "b", 70_000))  # settles 4 to 10: earns again
    done = at(terms, facts, date(2023, 8, 10))
    on_a = DUE if at_once else date(2023, 8, 10)
    assert outcomes(done, "promo") == {
        ("promo", on_a, "double", shares, "a"),
        ("promo", date(2023, 8, 10), "double", shares, "b"),
    }
    assert done.bonus_credited == 2 * shares


def test_double_payment_not_earned(at: At) -> None:
    """Not after the due date of the one next due, not by settling one only, not by an early repayment (7)."""
    terms = replace(TEN, promos=(DOUBLE,))
    late = DUE + timedelta(days=1)
    assert at(terms, [paid(late, "a", 20_000)], late).bonus_credited == 0
    assert at(terms, [paid(DUE, "a", 19_999)], DUE).bonus_credited == 0
    assert at(terms, [paid(DUE, "a", 20_000, "early_repayment")], DUE).bonus_credited == 0
    assert at(terms, [paid(OPENED, "a", 9_999), paid(DUE, "b", 10_001)], DUE).bonus_credited == 170


@pytest.mark.parametrize(("base", "shares"), [("package", 49_140), ("released", 1_029)])
def test_early_repayment(at: At, base: str, shares: int) -> None:
    """With 5 of 20 paid and number 6 due next, numbers 7 to 20 can be prepaid: a count of 14 (7)."""
    terms = replace(TWENTY, promos=(replace(EARLY, base=base),))  # 3,510 x 14; 1 % of 7,350 x 14
    on = date(2023, 9, 20)
    facts = [*each_due_date(TWENTY, 5), paid(on, "rest", 225_000, "early_repayment")]
    report = at(terms, facts, on)
    assert outcomes(report, "promo") == {("promo", on, "early", shares, "rest")}
    assert (report.status, report.bonus_credited) == ("completed", shares)


def test_early_repayment_counts_only_later_due_dates(at: At) -> None:
    """An installment already due is not prepaid, and an early repayment that prepays nothing is ordinary (7)."""
    terms = replace(TEN, grace_days=40, promos=(EARLY,))
    on = date(2023, 6, 11)  # 1 and 2 are overdue
    assert at(terms, [paid(on, "a", 20_000, "early_repayment")], on).bonus_credited == 0
    assert at(terms, [paid(on, "a", 30_000, "early_repayment")], on).bonus_credited == 340
    assert at(terms, [paid(on, "a", 30_000)], on).bonus_credited == 0
    only_next = at(terms, [paid(OPENED, "a", 10_000, "early_repayment")], OPENED)
    assert (only_next.settled, only_next.bonus_credited) == (1, 0)


def test_early_repayment_on_completion(at: At) -> None:
    """An award credited on completion is promised until then and bears the payment that earned it (7, 8)."""
    terms = replace(TEN, promos=(replace(EARLY, credit="on_completion"),))
    facts: list[Fact] = [paid(DUE, "a", 30_000, "early_repayment"), paid(date(2023, 8, 10), "b", 70_000)]
    assert at(terms, facts, DUE).bonus_promised == 680
    assert outcomes(at(terms, facts, DUE), "promo") == set()
    done = at(terms, facts, date(2023, 8, 10))
    assert outcomes(done, "promo") == {("promo", date(2023, 8, 10), "early", 680, "a")}


def test_award_that_rounds_to_nothing(at: At) -> None:
    """An award that rounds to nothing is not recorded (7)."""
    promos = (Promo("double", "double", 4, base="released"), Promo("package", "tiny", 1))
    for shares, awards in ((9_999, set()), (10_000, {("promo", DUE, "tiny", 1, "a")})):  # 1 bp of 9,999 is 0.9999
        terms = replace(TEN, shares=shares, release=("explicit", (900,) * 10), promos=promos)
        done = at(terms, [paid(DUE, "a", 100_000)], DUE)  # 900 x 4 / 10,000 = 0.36
        assert outcomes(done, "promo") == awards


STACK = (ON_TIME, replace(DOUBLE, credit="on_completion"), CAMPAIGN)


@pytest.mark.parametrize(
    ("stacking", "expected"),
    [
        ("additive", {("on_time", 1_700), ("double", 170), ("spring", 3_400)}),
        ("exclusive", {("spring", 3_400)}),
        ("compound", {("on_time", 1_700), ("double", 170), ("spring", 3_587)}),  # 10 % of 34,000 + 1,870
    ],
)
def test_stacking(at: At, stacking: str, expected: set[tuple[str, int]]) -> None:
    """Additive on its own base, exclusive the largest only, compound on the package plus the bonuses before (7)."""
    terms = replace(TEN, promos=STACK, stacking=stacking)
    facts: list[Fact] = [paid(DUE, "a", 20_000), *each_due_date(TEN, 10)[2:]]
    last = date(2024, 2, 10)
    assert at(terms, facts, DUE).bonus_promised == sum(shares for _, shares in expected)
    done = at(terms, facts, last)
    references = {"on_time": "p10", "double": "a", "spring": "p10"}
    assert outcomes(done, "promo") == {("promo", last, code, shares, references[code]) for code, shares in expected}


def test_exclusive_takes_single_awards_and_the_first_if_equal(at: At) -> None:
    """Exclusive compares single awards, takes the first in the order of the terms, and keeps those at once (7)."""
    double = replace(DOUBLE, code="larger", rate_bp=600, credit="on_completion")
    equal = Promo("package", "equal", 600)
    facts: list[Fact] = [paid(DUE, "a", 20_000), paid(date(2023, 7, 10), "b", 80_000)]
    on = date(2023, 7, 10)
    terms = replace(TEN, promos=(DOUBLE, ON_TIME, double, equal), stacking="exclusive")
    done = at(terms, facts, on)
    assert outcomes(done, "promo") == {
        ("promo", DUE, "double", 170, "a"),
        ("promo", on, "double", 170, "b"),
        ("promo", on, "larger", 2_040, "a"),  # two awards of 2,040 do not add up; the earliest is taken
    }
    swapped = replace(terms, promos=(equal, double))
    assert outcomes(at(swapped, facts, on), "promo") == {("promo", on, "equal", 2_040, "b")}


# ------------------------------------------------------------------------------------ 9
CANCELLED = date(2023, 6, 30)  # number 2 was due on 10 June
MISSED = ("missed", date(2023, 6, 11), 2, date(2023, 6, 10), date(2023, 6, 29))


def test_reinstatement_redates_the_rest(at: At) -> None:
    """The rest falls due 30 days after the reinstatement, then at the schedule's spacing; bonuses are lost (9)."""
    terms = replace(TEN, promos=(ON_TIME, CAMPAIGN))
    on = date(2023, 7, 20)
    facts = [*each_due_date(TEN, 1), Reinstated(on, "r", 20_000, None)]
    report = at(terms, facts, on)
    dues = [date(2023, 8, 19), date(2023, 9, 19), date(2023, 10, 19), date(2023, 11, 19), date(2023, 12, 19)]
    dues += [date(2024, 1, 19), date(2024, 2, 19)]
    assert outcomes(report, "revised") == {("revised", on, tuple(zip(range(4, 11), dues, strict=True)), 34_000, 0, "r")}
    assert outcomes(report, "settled") >= {("settled", on, 2, 2_300, "r"), ("settled", on, 3, 2_300, "r")}
    assert outcomes(report, "cancelled") == {("cancelled", CANCELLED, "grace", 2, 31_700)}
    assert (report.status, report.cancelled_on, report.next_due_on) == ("active", None, date(2023, 8, 19))
    assert (report.bonus_promised, report.shares_promised, report.shares_forfeited) == (0, 27_100, 0)
    again = at(terms, facts, date(2023, 9, 8))
    assert outcomes(again, "missed") == {MISSED, ("missed", date(2023, 8, 20), 4, dues[0], date(2023, 9, 7))}
    assert again.cancelled_on == date(2023, 9, 8)


def test_reinstatement_with_a_revised_package(at: At) -> None:
    """The tranche is what remains of the revised number; shares less revised is forfeited (9)."""
    on = date(2023, 7, 20)
    facts = [*each_due_date(TEN, 1), Reinstated(on, "r", 10_000, 30_000)]
    report = at(TEN, facts, on)
    assert (report.shares_credited, report.shares_promised, report.shares_forfeited) == (4_600, 25_400, 4_000)
    dues = tuple((2 + number, date(2023, 7 + number, 19)) for number in range(1, 6))
    dues += tuple((7 + number, date(2024, number, 19)) for number in (1, 2, 3))
    assert outcomes(report, "revised") == {("revised", on, dues, 30_000, 4_000, "r")}
    last = date(2023, 8, 19)
    done = at(TEN, [*facts, paid(last, "z", 80_000)], last)
    assert outcomes(done, "completed") == {("completed", last, 7_000, "z")}
    assert (done.shares_credited, done.shares_forfeited) == (30_000, 4_000)


def test_awards_after_a_reinstatement(at: At) -> None:
    """Bonuses credited on completion are lost for good; at-once awards are on the revised package (9)."""
    promos = (ON_TIME, DOUBLE, replace(DOUBLE, code="later", credit="on_completion"))
    terms = replace(TEN, promos=promos)
    on, last = date(2023, 8, 20), date(2023, 9, 19)
    facts: list[Fact] = [paid(DUE, "a", 20_000), Reinstated(on, "r", 20_000, 30_000)]  # cancelled on 30 July
    report = at(terms, facts, on)
    assert outcomes(report, "promo") == {("promo", DUE, "double", 170, "a")}  # reinstating money earns nothing
    assert (report.bonus_credited, report.bonus_promised) == (170, 0)
    done = at(terms, [*facts, paid(last, "z", 60_000)], last)
    assert outcomes(done, "promo") == {("promo", DUE, "double", 170, "a"), ("promo", last, "double", 150, "z")}


def test_unapplied_money_applies_at_the_reinstatement(at: At) -> None:
    """Money that was unapplied settles on the day of the reinstatement; with nothing left it completes (9, 10)."""
    on = date(2023, 7, 20)
    facts = [*each_due_date(TEN, 1), paid(date(2023, 7, 1), "u"), Reinstated(on, "r", 20_000, None)]
    assert at(TEN, facts, date(2023, 7, 19)).unapplied == 10_000
    report = at(TEN, facts, on)
    assert (report.unapplied, report.paid, report.settled) == (0, 40_000, 4)
    assert ("settled", on, 4, 2_300, "u") in report.outcomes
    whole = [*facts[:2], Reinstated(on, "r", 80_000, None)]
    done = at(replace(TEN, promos=(ON_TIME,)), whole, on)
    assert (done.status, done.shares_credited, done.bonus_credited) == ("completed", 34_000, 0)
    assert outcomes(done, "revised") == set()


@pytest.mark.parametrize(
    ("kind", "dues"),
    [
        (("monthly",), [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]),
        (("every", 14), [date(2024, 1, 31), date(2024, 2, 14), date(2024, 2, 28)]),
        (
            ("lines", tuple((date(2023, 5, day), 25_000) for day in (10, 12, 17, 29))),
            [date(2024, 1, 31), date(2024, 2, 5), date(2024, 2, 17)],
        ),
    ],
)
def test_redating_keeps_the_spacing(at: At, kind: tuple[object, ...], dues: list[date]) -> None:
    """Months are counted from the new anchor, n days are added, explicit lines keep their distances (9)."""
    terms = replace(TEN, installments=4, schedule=kind)
    on = date(2024, 1, 1)
    report = at(terms, [Reinstated(on, "r", 25_000, None)], on)
    assert outcomes(report, "revised") == {("revised", on, tuple(zip((2, 3, 4), dues, strict=True)), 34_000, 0, "r")}


def test_reinstatement_that_falls_away(at: At) -> None:
    """On a plan that was not cancelled after all, the money is an ordinary payment and the rest falls away (9)."""
    on = date(2023, 7, 5)
    late = paid(date(2023, 6, 20), "late")
    facts = [*each_due_date(TEN, 1), Reinstated(on, "r", 20_000, 30_000), late]
    report = at(replace(TEN, promos=(ON_TIME, DOUBLE)), facts, on)
    assert (report.settled, report.shares_forfeited, report.bonus_promised) == (4, 0, 1_700)
    assert report.next_due_on == date(2023, 9, 10)
    assert outcomes(report, "promo") == {("promo", on, "double", 170, "r")}  # number 3 was due on 10 July


def test_reinstating_payment_reversed(at: At) -> None:
    """Reversed for error so is the reinstatement; charged back, installments reopen and it stands (9, 10)."""
    on, x = date(2023, 7, 20), date(2023, 8, 1)
    facts = [*each_due_date(TEN, 1), Reinstated(on, "r", 20_000, 30_000)]
    error = at(TEN, [*facts, Reversed(None, "r", "error")], x)
    assert (error.status, error.cancelled_on, error.unapplied) == ("cancelled", CANCELLED, 0)
    back = at(TEN, [*facts, Reversed(x, "r", "chargeback")], x + timedelta(days=1))
    assert (back.status, back.overdue_number, back.days_past_due) == ("in_grace", 2, 1)
    assert (back.amount_due, back.shares_forfeited) == (20_000, 4_000)
    assert at(TEN, [*facts, Reversed(x, "r", "chargeback")], date(2023, 8, 21)).cancelled_on == date(2023, 8, 21)


# ------------------------------------------------------------------------------------ 10
def test_error_reversal_is_as_if_never_paid(at: At) -> None:
    """A payment reversed for error is treated as never made, from its own date (10)."""
    b = paid(date(2023, 6, 1), "b")
    facts: list[Fact] = [paid(DUE, "a"), b, Reversed(date(2023, 9, 9), "a", "error")]
    for as_of in (DUE, date(2023, 5, 30), date(2023, 6, 1), date(2023, 9, 9)):
        assert at(TEN, facts, as_of) == at(TEN, [b], as_of)
    report = at(TEN, facts, date(2023, 6, 1))
    assert (report.status, report.unapplied) == ("cancelled", 10_000)


def test_back_dated_payment_undoes_a_cancellation(at: At) -> None:
    """A payment dated within grace but recorded later undoes the cancellation, and unapplied money applies (10)."""
    later = paid(date(2023, 7, 1), "c")
    facts = [*each_due_date(TEN, 1), later]
    before = at(TEN, facts, date(2023, 7, 1))
    assert (before.status, before.cancelled_on, before.unapplied) == ("cancelled", CANCELLED, 10_000)
    after = at(TEN, [*facts, paid(date(2023, 6, 29), "b")], date(2023, 7, 1))
    assert (after.status, after.unapplied, after.settled) == ("active", 0, 3)
    assert outcomes(after, "settled") >= {
        ("settled", date(2023, 6, 29), 2, 2_300, "b"),
        ("settled", date(2023, 7, 1), 3, 2_300, "c"),
    }
    assert outcomes(after, "missed") == {MISSED}


def test_chargeback_on_an_active_plan(at: At) -> None:
    """From X the money left settles oldest first; a reopened one already due is missed X+1, cancelled X+20 (10)."""
    x = date(2023, 6, 15)
    facts = [*each_due_date(TEN, 2), Reversed(x, "p1", "chargeback")]
    before = at(TEN, facts, date(2023, 6, 14))
    assert (before.settled, before.paid) == (2, 20_000)
    on = at(TEN, facts, x)
    assert (on.status, on.settled, on.next_number, on.paid) == ("active", 1, 2, 10_000)
    assert outcomes(on, "settled") == {("settled", DUE, 1, 2_300, "p1")}  # number 1 is still covered: history stands
    next_day = at(TEN, facts, date(2023, 6, 16))
    assert (next_day.status, next_day.days_past_due, next_day.days_left) == ("in_grace", 1, 18)
    assert (next_day.overdue_number, next_day.overdue_due_on) == (2, date(2023, 6, 10))
    assert next_day.grace_ends_on == date(2023, 7, 4)
    assert outcomes(next_day, "missed") == {("missed", date(2023, 6, 16), 2, date(2023, 6, 10), date(2023, 7, 4))}
    assert at(TEN, facts, date(2023, 7, 4)).status == "in_grace"
    gone = at(TEN, facts, date(2023, 7, 5))
    assert outcomes(gone, "cancelled") == {("cancelled", date(2023, 7, 5), "grace", 2, 31_700)}


def test_chargeback_of_an_installment_not_yet_due(at: At) -> None:
    """A reopened installment that was not yet due keeps its due date as its clock (10)."""
    facts: list[Fact] = [paid(DUE, "a"), paid(DUE, "b"), Reversed(date(2023, 5, 20), "b", "chargeback")]
    assert at(TEN, facts, date(2023, 6, 10)).status == "active"
    assert at(TEN, facts, date(2023, 6, 11)).days_past_due == 1


def test_chargeback_beside_an_older_clock(at: At) -> None:
    """The one whose grace ends first is shown and cancels, even if a reopened one has a lower number (6, 10)."""
    facts = [*each_due_date(TEN, 2), Reversed(date(2023, 7, 15), "p1", "chargeback")]  # number 3 overdue since 10 July
    report = at(TEN, facts, date(2023, 7, 20))
    assert (report.next_number, report.overdue_number, report.overdue_due_on) == (2, 3, date(2023, 7, 10))
    assert (report.days_past_due, report.days_left, report.amount_due) == (10, 9, 20_000)
    gone = at(TEN, facts, date(2023, 7, 30))
    assert outcomes(gone, "cancelled") == {("cancelled", date(2023, 7, 30), "grace", 3, 31_700)}


def test_chargeback_on_a_completed_plan(at: At) -> None:
    """A completed plan is active again; tranche and bonuses cease to hold from X, clocks start at X (10)."""
    terms = replace(TEN, promos=(ON_TIME,))
    x = date(2023, 8, 1)
    facts: list[Fact] = [paid(DUE, "most", 90_000), paid(DUE, "last"), Reversed(x, "most", "chargeback")]
    before = at(terms, facts, date(2023, 7, 31))
    assert (before.status, before.shares_credited, before.bonus_credited) == ("completed", 34_000, 1_700)
    on = at(terms, facts, x)
    assert (on.status, on.completed_on, on.settled) == ("active", None, 1)
    assert (on.shares_credited, on.shares_promised, on.bonus_credited, on.bonus_promised) == (2_300, 31_700, 0, 1_700)
    assert on.outcomes == {("settled", DUE, 1, 2_300, "most")}
    gone = at(terms, facts, date(2023, 8, 21))
    assert outcomes(gone, "missed") == {
        ("missed", date(2023, 8, 2), 2, date(2023, 6, 10), date(2023, 8, 20)),
        ("missed", date(2023, 8, 2), 3, date(2023, 7, 10), date(2023, 8, 20)),
        ("missed", date(2023, 8, 11), 4, date(2023, 8, 10), date(2023, 8, 29)),
    }
    assert outcomes(gone, "cancelled") == {("cancelled", date(2023, 8, 21), "grace", 2, 31_700)}
    again = at(terms, [*facts, paid(date(2023, 8, 20), "anew", 90_000)], date(2023, 8, 20))
    assert outcomes(again, "completed") == {("completed", date(2023, 8, 20), 11_000, "anew")}
    assert outcomes(again, "promo") == {("promo", date(2023, 8, 20), "on_time", 1_700, "anew")}


def test_chargeback_beside_unapplied_money_on_a_completed_plan(at: At) -> None:
    """Unapplied money is a part of the money left: what it covers stays settled, the plan stays completed (10)."""
    x = date(2023, 7, 1)
    late = paid(DUE, "late", 90_000)  # recorded after the others: it completes the plan before them
    facts: list[Fact] = [paid(DUE, "first"), paid(x, "second"), Reversed(x, "first", "chargeback"), late]
    for on, unapplied in ((x - timedelta(days=1), 0), (x, 0), (x + timedelta(days=40), 0)):
        report = at(TEN, facts, on)
        assert (report.status, report.completed_on, report.paid) == ("completed", DUE, 100_000)
        assert (report.settled, report.unapplied) == (10, unapplied)
    less: list[Fact] = [paid(DUE, "first"), paid(x, "second", 9_999), Reversed(x, "first", "chargeback"), late]
    report = at(TEN, less, x)
    assert (report.status, report.paid, report.unapplied, report.settled) == ("active", 99_999, 0, 9)
    assert report.next_missing == 1


def test_overpaid_within_the_day_of_a_chargeback(at: At) -> None:
    """What the money left covers stays settled by the payment that settled it, although a later one was more (10)."""
    x = date(2023, 6, 10)
    facts: list[Fact] = [
        *(paid(DUE, "a", 20_000), paid(x, "b", 40_000), paid(DUE, "c", 40_000)),
        *(Reversed(x, "c", "chargeback"), paid(DUE, "d", 20_000)),
    ]
    report = at(TEN, facts, x)
    assert (report.status, report.paid, report.unapplied, report.overpaid_on) == ("active", 80_000, 0, None)
    settled = {("settled", DUE, number, 2_300, "aaccccdd"[number - 1]) for number in range(1, 9)}
    assert outcomes(report, "settled") == settled


def test_chargeback_on_a_cancelled_plan(at: At) -> None:
    """A cancelled plan stays so, no clock starts, and shares taken back count as forfeited (10)."""
    x = date(2023, 7, 5)
    facts = [*each_due_date(TEN, 1), Reversed(x, "p1", "chargeback")]
    report = at(TEN, facts, date(2023, 9, 1))
    assert (report.status, report.cancelled_on, report.paid) == ("cancelled", CANCELLED, 0)
    assert (report.shares_credited, report.shares_forfeited) == (0, 34_000)
    assert report.outcomes == {MISSED, ("cancelled", CANCELLED, "grace", 2, 31_700)}


def test_chargeback_of_unapplied_money(at: At) -> None:
    """Unapplied money that is charged back is no longer unapplied, and nothing else changes (10)."""
    facts = [*each_due_date(TEN, 1), paid(date(2023, 7, 1), "u"), Reversed(date(2023, 7, 9), "u", "chargeback")]
    assert at(TEN, facts, date(2023, 7, 8)).unapplied == 10_000
    report = at(TEN, facts, date(2023, 7, 9))
    assert (report.unapplied, report.paid, report.shares_credited) == (0, 10_000, 2_300)


def test_award_falls_with_its_own_payment_only(at: At) -> None:
    """An award rests on the payment that earned it and falls with that payment only (7, 10)."""
    terms = replace(TEN, promos=(DOUBLE,))
    x = date(2023, 7, 1)
    facts: list[Fact] = [paid(OPENED, "a"), paid(DUE, "b", 20_000)]  # b settles 2 and 3, before 2 is due
    assert at(terms, facts, DUE).bonus_credited == 170
    other = at(terms, [*facts, Reversed(x, "a", "chargeback")], x)
    assert (other.settled, other.bonus_credited) == (2, 170)
    own = at(terms, [*facts, Reversed(x, "b", "chargeback")], x)
    assert (own.settled, own.bonus_credited, outcomes(own, "promo")) == (1, 0, set())
