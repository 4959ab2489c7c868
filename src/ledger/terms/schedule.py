"""The installments that terms produce: due dates, amounts, and the shares that each releases."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction

import attrs

from ledger.dates import DAY, civil_date, months_from
from ledger.errors import TermsRefused, arguments
from ledger.money import EXPONENTS
from ledger.terms import EveryDays, ExplicitRelease, ExplicitSchedule, PerUnit, PlanTerms, Portion, Schedule
from ledger.terms.allocation import cumulative_floor, rounded_up_last_takes_rest

REINSTATED_DUE_AFTER = timedelta(days=30)
"""From a reinstatement to the first due date after it. Source: RULES.md section 9."""


@attrs.frozen
class Installment:
    """One line of a plan's schedule: `amount` in minor units of the price, `shares` released when it is settled."""

    number: int
    due_on: date
    amount: int
    shares: int


def schedule(terms: PlanTerms, opened_on: date) -> tuple[Installment, ...]:
    """Return the schedule of a plan that is opened under the terms on a date, without opening it.

    Equals the `lines` of the plan's `PlanOpened`. Raises `TermsRefused`. Source: RULES.md sections 3 and 4.
    """
    arguments.instance("terms", terms, PlanTerms, "PlanTerms")
    return installments(None, terms, opened_on=civil_date("opened_on", opened_on))


def installments(plan_id: str | None, terms: PlanTerms, *, opened_on: date) -> tuple[Installment, ...]:
    """Return the schedule that the terms produce for a plan opened on `opened_on`, numbered from 1.

    Raises `TermsRefused` where the terms contradict each other. Source: RULES.md sections 3 and 4.
    """
    problem = _contradiction(terms)
    if problem:
        raise _refused(plan_id, *problem)
    first_due_on, amounts = _first_due_on(terms, opened_on), _amounts(terms)
    if first_due_on < opened_on:
        reason = f"installment 1 would be due on {first_due_on}, before the opening on {opened_on}"
        raise _refused(plan_id, reason, "let it fall due on the opening date or later")
    if amounts[-1] <= 0:
        reason = f"{terms.installments} installments rounded up leave {amounts[-1]} minor units for the last one"
        raise _refused(plan_id, reason, "use fewer installments or a smaller rounding unit")
    shares = _released(terms, amounts)
    if sum(shares) > terms.shares:
        reason = f"the installments would release {sum(shares):,} of {terms.shares:,} shares"
        raise _refused(plan_id, reason, "lower the release, or state the shares that the package really has")
    try:
        due = _due_dates(terms.schedule, first_due_on, terms.installments)
        _ = due[-1] + (terms.grace_days + 1) * DAY
    except OverflowError:
        raise _refused(plan_id, "the schedule runs beyond the year 9999", "shorten it") from None
    return tuple(map(Installment, range(1, terms.installments + 1), due, amounts, shares))


def redated(lines: Sequence[Installment], schedule: Schedule, *, reinstated_on: date) -> tuple[Installment, ...]:
    """Return the unsettled `lines` with the due dates that they have after a reinstatement.

    The first falls due 30 days later, the others at the schedule's own spacing: explicit lines keep the distances that
    the terms produced, however often they are re-dated, so none falls due before the first. Source: RULES.md section 9.
    """
    anchor = reinstated_on + REINSTATED_DUE_AFTER
    if isinstance(schedule, ExplicitSchedule):
        agreed = [schedule.lines[line.number - 1][0] for line in lines]
        due = [anchor + (due_on - agreed[0]) for due_on in agreed]
    else:
        due = _due_dates(schedule, anchor, len(lines))
    return tuple(
        Installment(line.number, due_on, line.amount, line.shares) for line, due_on in zip(lines, due, strict=True)
    )


def _contradiction(terms: PlanTerms) -> tuple[str, str] | None:
    """Return the contradiction in the terms, if any, and its remedy, before anything is computed from them."""
    schedule, release, count = terms.schedule, terms.release, terms.installments
    if isinstance(release, ExplicitRelease) and len(release.shares) != count:
        return f"the release names {len(release.shares)} installments of {count}", "give one number per installment"
    if isinstance(schedule, ExplicitSchedule):
        total = sum(amount for _, amount in schedule.lines)
        if len(schedule.lines) != count:
            return f"the schedule has {len(schedule.lines)} lines for {count} installments", "give one line for each"
        if total != terms.price.minor:
            return f"the lines add up to {total} minor units of {terms.price.minor}", "let them add up to the price"
        if terms.first_due_on not in (None, schedule.lines[0][0]):
            reason = f"the first line is due on {schedule.lines[0][0]}, first_due_on says {terms.first_due_on}"
            return reason, "leave first_due_on out"
    return None


def _first_due_on(terms: PlanTerms, opened_on: date) -> date:
    if isinstance(terms.schedule, ExplicitSchedule):
        return terms.schedule.lines[0][0]
    return terms.first_due_on or opened_on


def _amounts(terms: PlanTerms) -> tuple[int, ...]:
    if isinstance(terms.schedule, ExplicitSchedule):
        return tuple(amount for _, amount in terms.schedule.lines)
    return rounded_up_last_takes_rest(terms.price.minor, parts=terms.installments, unit=terms.rounding_unit)


def _due_dates(schedule: Schedule, first: date, count: int) -> list[date]:
    if isinstance(schedule, ExplicitSchedule):
        return [due_on for due_on, _ in schedule.lines]
    if isinstance(schedule, EveryDays):
        return [first + timedelta(days=index * schedule.days) for index in range(count)]
    return [months_from(first, index) for index in range(count)]


def _released(terms: PlanTerms, amounts: Sequence[int]) -> tuple[int, ...]:
    """Return the shares that each installment releases, the last one included. Source: RULES.md section 4."""
    release = terms.release
    if isinstance(release, PerUnit):
        per_minor = Fraction(release.rate) / 10 ** EXPONENTS[terms.price.currency]
        return tuple(amount * per_minor.numerator // per_minor.denominator for amount in amounts)
    if isinstance(release, Portion):
        return cumulative_floor(Fraction(release.fraction) * terms.shares, parts=terms.installments)
    assert isinstance(release, ExplicitRelease), release
    return release.shares


def problems(lines: Sequence[Installment], terms: PlanTerms) -> Iterator[str]:
    """Yield the faults of recorded lines that no terms can have produced."""
    amount = shares = 0
    last: date | None = None
    for number, line in enumerate(lines, 1):
        if line.number != number or number > terms.installments:
            yield "the installments are not numbered from 1 to the number of installments"
        if last is not None and line.due_on <= last:
            yield "the due dates do not increase"
        if line.amount <= 0 or line.shares < 0:
            yield "an installment has no amount, or negative shares"
        amount, shares, last = amount + line.amount, shares + line.shares, line.due_on
    if len(lines) < terms.installments:
        yield "the installments are not numbered from 1 to the number of installments"
    if amount != terms.price.minor:
        yield "the installments do not add up to the price"
    if shares > terms.shares:
        yield "the installments release more shares than the package has"


def _refused(plan_id: str | None, reason: str, remedy: str) -> TermsRefused:
    return TermsRefused(plan_id=plan_id, reason=reason, remedy=remedy)
