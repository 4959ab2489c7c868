"""The sums of one plan at every date on which something happens, from what is recorded and without the rules.

Shares credited by outcomes, less those taken back, never leave the package, and with what a completion credits, or a
cancellation forfeits, they are the whole of it. Money that stands pays for every settled installment and never exceeds
the price.
Source: RULES.md section 8.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from ledger.audit.examination.kinds import Findings
from ledger.events import (
    InstallmentSettled,
    OutcomeVoided,
    PaymentMade,
    PaymentReversed,
    PlanCancelled,
    PlanCompleted,
    PlanOpened,
    PlanReinstated,
    RecordedEvent,
    ScheduleRevised,
)

_WHOLE = frozenset((PlanCancelled, PlanCompleted, ScheduleRevised))
"""The outcomes with which the package is whole."""


def check_sums(opened: PlanOpened, events: Sequence[RecordedEvent], findings: Findings) -> None:
    """Report the first date on which the sums of shares, and that on which those of money, do not come out."""
    ends = _ends(events)
    _check_shares(opened, events, ends, findings)
    _check_money(opened, events, ends, findings)


class _Sums:
    """Sums at the end of each day on which they change."""

    def __init__(self, changes: Mapping[date, int]) -> None:
        self.days = sorted(changes)
        self.totals = [0]
        for day in self.days:
            self.totals.append(self.totals[-1] + changes[day])

    def at(self, day: date) -> int:
        """Return the sum at the end of a day."""
        return self.totals[bisect_right(self.days, day)]

    def before(self, day: date) -> int:
        """Return the sum at the end of the day before."""
        return self.totals[bisect_left(self.days, day)]


def _ends(events: Sequence[RecordedEvent]) -> dict[int, date]:
    """Return the date from which each voided outcome does not hold, by its version."""
    ends: dict[int, date] = {}
    voidings: dict[int, int] = {}
    for recorded in events:
        event = recorded.event
        if type(event) is OutcomeVoided:
            if event.voids in voidings:  # what was voided holds again
                ends.pop(voidings[event.voids], None)
            else:
                ends[event.voids] = event.effective_on
                voidings[recorded.version] = event.voids
    return ends


def _check_shares(
    opened: PlanOpened, events: Sequence[RecordedEvent], ends: Mapping[int, date], findings: Findings
) -> None:
    package = opened.terms.shares
    changes: dict[date, int] = defaultdict(int)
    for recorded in events:
        event = recorded.event
        if type(event) is InstallmentSettled or type(event) is PlanCompleted:
            changes[event.effective_on] += event.shares
            if recorded.version in ends:
                changes[max(ends[recorded.version], event.effective_on)] -= event.shares
    credited = _Sums(changes)
    for day, total in zip(credited.days, credited.totals[1:], strict=True):
        if not 0 <= total <= package:
            last = _last_on(day, events, (InstallmentSettled, PlanCompleted))
            _report(last, "package", f"0 to {package:,} shares credited at the end of {day}", total, findings)
            return
    for recorded in events:
        event = recorded.event
        if type(event) not in _WHOLE:
            continue
        if ends.get(recorded.version, date.max) <= event.effective_on:
            continue
        expected = _completes(opened, recorded, events, credited)
        if expected is not None:
            _report(recorded, "package", expected[0], expected[1], findings)
            return


def _completes(
    opened: PlanOpened, recorded: RecordedEvent, events: Sequence[RecordedEvent], sums: _Sums
) -> tuple[str, int] | None:
    """Return the sum that the package lacks with an outcome that ends or revises it, and that which is recorded."""
    event, package = recorded.event, opened.terms.shares
    day = event.effective_on
    if isinstance(event, ScheduleRevised):
        found = event.shares + event.shares_forfeited
        return None if found == package else (f"{package:,} shares in the package and forfeited on {day}", found)
    if isinstance(event, PlanCompleted):
        decided = (one.event for one in events if isinstance(one.event, PlanReinstated))
        numbers = {package, *(one.revised_shares or package for one in decided if one.effective_on <= day)}
        found = sums.at(day)
        whole = " or ".join(f"{number:,}" for number in sorted(numbers))
        return None if found in numbers else (f"{whole} shares credited on {day}", found)
    assert isinstance(event, PlanCancelled)
    found, least, most = package - event.shares_forfeited, sums.before(day), sums.at(day)
    if least <= found <= most or any(
        isinstance(one.event, PaymentReversed) and one.event.effective_on == day for one in events
    ):
        return None  # within a day shares are credited before or after; a chargeback may take some of them back
    return f"{package - most:,} to {package - least:,} shares forfeited on {day}", event.shares_forfeited


def _check_money(
    opened: PlanOpened, events: Sequence[RecordedEvent], ends: Mapping[int, date], findings: Findings
) -> None:
    amounts = {line.number: line.amount for line in opened.lines}
    payments: dict[str, tuple[date, int]] = {}
    standing: dict[date, int] = defaultdict(int)
    settled: dict[date, int] = defaultdict(int)
    for recorded in events:
        event = recorded.event
        if type(event) is InstallmentSettled:
            amount = amounts.get(event.number, 0)
            settled[event.effective_on] += amount
            if recorded.version in ends:
                settled[max(ends[recorded.version], event.effective_on)] -= amount
        elif type(event) is PaymentMade or type(event) is PlanReinstated:
            payments.setdefault(event.reference, (event.effective_on, event.amount.minor))
            standing[event.effective_on] += event.amount.minor
        elif type(event) is PaymentReversed and event.reference in payments:
            paid_on, minor = payments[event.reference]
            standing[paid_on if event.cause == "error" else event.effective_on] -= minor
    money, used = _Sums(standing), _Sums(settled)
    price = opened.terms.price.minor
    for day in sorted({*money.days, *used.days}):
        if not used.at(day) <= money.at(day) <= price:
            expected = f"{used.at(day):,} minor units, for settled installments, to {price:,} standing on {day}"
            last = _last_on(day, events, (InstallmentSettled, PaymentMade, PlanReinstated, PaymentReversed))
            _report(last, "money", expected, money.at(day), findings)
            return


def _last_on(day: date, events: Sequence[RecordedEvent], kinds: tuple[type[object], ...]) -> RecordedEvent:
    """Return the last event of some kinds on a day; if what changed was a voiding, the last of all."""
    on_day = [recorded for recorded in events if recorded.event.effective_on == day]
    return next(
        (recorded for recorded in reversed(on_day) if isinstance(recorded.event, kinds)), (on_day or events)[-1]
    )


def _report(recorded: RecordedEvent, what: str, expected: str, found: int, findings: Findings) -> None:
    findings.add(
        f"{what}_not_conserved",
        version=recorded.version,
        sequence=recorded.sequence,
        expected=expected,
        found=f"{found:,}",
    )
