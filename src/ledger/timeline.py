"""The rules of an installment plan, as one pure function of (terms, facts, date).

`timeline` walks through the days on which something happens, in their order: deadlines first, then that day's facts as
they were recorded (RULES.md section 6). It yields the end state and every outcome, with the date from which it holds
and, where a chargeback ended it, until when. Every command, query, dry run and audit goes through it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate
from operator import attrgetter
from typing import Literal

from ledger.dates import DAY
from ledger.events.facts import Fact, PaymentMade, PaymentReversed, PlanOpened, PlanReinstated
from ledger.events.outcomes import (
    InstallmentSettled,
    PaymentMissed,
    PlanCancelled,
    PlanCompleted,
    PromoApplied,
    RevisedLine,
    ScheduleRevised,
)
from ledger.funds import Funds
from ledger.outcome_log import OutcomeLog
from ledger.promos import Award, credited_at_once, earned, on_completion
from ledger.schedule import Installment, redated
from ledger.state import HighWaterMark, State, Step, Timeline

_effective_on = attrgetter("effective_on")


def timeline(opened: PlanOpened, facts: Sequence[Fact], as_of: date) -> Timeline:
    """Return what the terms make of the facts effective up to and including `as_of`.

    `facts` are in the order in which they were recorded; `as_of` is not before the opening. Source: RULES.md.
    """
    return Derivation(opened, facts, through=as_of).timeline()


def steps(opened: PlanOpened, facts: Sequence[Fact], as_of: date) -> Iterator[Step]:
    """Yield, one step at a time, all that happens to a plan up to and including `as_of`, and how it then stands.

    The first step is the opening. A step without a fact is a day on which something comes due by itself: between two
    steps only the distance to the date changes. Source: RULES.md.
    """
    derivation = Derivation(opened)
    yield derivation.step(None)
    for fact in _in_force(facts, as_of):
        yield from derivation.by_itself(through=fact.effective_on)
        derivation.take(fact)
        yield derivation.step(fact)
    yield from derivation.by_itself(through=as_of)


def _in_force(facts: Iterable[Fact], as_of: date) -> list[Fact]:
    """Return the facts that count, day by day: what was an error was never made (section 10)."""
    errors = {fact.reference for fact in facts if isinstance(fact, PaymentReversed) and fact.cause == "error"}
    counting = [fact for fact in facts if fact.effective_on <= as_of and (not errors or fact.reference not in errors)]
    counting.sort(key=_effective_on)  # stable: within a day, as recorded
    return counting


class Derivation:
    """A plan on its way through the days: `today` is the day whose deadlines have passed.

    Lines are indexed from 0 here and numbered from 1 in what it returns.
    """

    def __init__(self, opened: PlanOpened, facts: Sequence[Fact] = (), *, through: date | None = None) -> None:
        self.terms = opened.terms
        self.package = opened.terms.shares
        self.lines = opened.lines
        self.owed = (0, *accumulate(line.amount for line in opened.lines))  # money that settles the first i lines
        self.released = (0, *accumulate(line.shares for line in opened.lines))
        self.grace = timedelta(days=opened.terms.grace_days)
        self.clock = [line.due_on for line in opened.lines]  # days past due count from here
        self.restarted = False  # whether a chargeback has put clocks out of the order of the lines
        self.missed: set[int] = set()
        self.today = opened.effective_on

        self.status: Literal["active", "cancelled", "completed"] = "active"
        self.cancelled_on: date | None = None
        self.completed_on: date | None = None
        self.funds = Funds()
        self.log = OutcomeLog()
        self.settlements: list[int] = []  # per settled line, the index of its outcome
        self.completion: list[int] = []  # the indexes of what the completion brought
        self.at_once: dict[str, list[int]] = {}  # by payment, the indexes of its awards
        self.waiting: list[Award] = []  # earned, to be credited on completion
        self.bonuses_wait = True  # until a reinstatement
        self.bonus = 0

        if through is not None:
            for fact in _in_force(facts, through):
                self.pass_deadlines(fact.effective_on)
                self.take(fact)
            self.pass_deadlines(through)

    # ---- days

    def pass_deadlines(self, through: date) -> None:
        """Let the days pass: missed by clock, then number; then cancelled. Source: RULES.md section 6."""
        self.today = through
        if self.status != "active":
            return
        settled, first = len(self.settlements), self._first_clock()
        if first >= through:
            return
        waiting = self.clock[settled:]
        cancelled_on = first + self.grace + DAY
        last = min(through, cancelled_on)
        for clock, i in sorted((clock, i) for i, clock in enumerate(waiting, settled) if clock < last):
            if i not in self.missed:
                self.missed.add(i)
                self.log.add(PaymentMissed(clock + DAY, i + 1, self.lines[i].due_on, clock + self.grace))
        if cancelled_on <= through:
            self._cancel(cancelled_on, number=self.clock.index(first, settled) + 1)

    def _first_clock(self) -> date:
        """Return the day from which the days past due of an active plan count: those of its line that waits longest."""
        settled = len(self.settlements)
        return min(self.clock[settled:]) if self.restarted else self.clock[settled]

    def by_itself(self, *, through: date) -> Iterator[Step]:
        """Step through the days ahead on which something changes without a fact."""
        while self.status == "active":
            settled = len(self.settlements)
            first = self._first_clock()
            if first >= through:
                break  # nothing changes before the first open line is past due
            ends = first + self.grace + DAY
            changes = {ends, *(clock + DAY for clock in self.clock[settled:])}
            changes |= {line.due_on for line in self.lines[settled:] if line.due_on > first}
            day = min((day for day in changes if self.today < day <= min(ends, through)), default=None)
            if day is None:
                break
            self.pass_deadlines(day)
            yield self.step(None)
        self.today = through

    # ---- facts

    def take(self, fact: Fact) -> None:
        """Let a fact happen on its day, whose deadlines have passed."""
        if isinstance(fact, PaymentMade):
            self._pay(fact)
        elif isinstance(fact, PaymentReversed):
            self._charge_back(fact)
        elif isinstance(fact, PlanReinstated):
            if self.status == "cancelled":
                self._reinstate(fact)
            else:
                self._pay(fact)  # it was not cancelled after all: an ordinary payment (section 9)
        elif self.status == "active":
            self._cancel(fact.effective_on, request=fact.reference)

    def _pay(self, fact: PaymentMade | PlanReinstated) -> None:
        """Apply a payment to the oldest unsettled lines; on a plan that takes none it stays unapplied (section 5)."""
        on, active = fact.effective_on, self.status == "active"
        self.funds.receive(fact.reference, fact.amount.minor, on, applied=active)
        if active:
            first = len(self.settlements)
            settled = self._settle(on, fact.reference)
            if settled > first + 1:
                self._award(fact, self.lines[first:settled])
            if settled == len(self.lines):
                self._complete(on, fact.reference)

    def _settle(self, on: date, payment: str) -> int:
        """Settle what the money covers, oldest first; return how many lines are settled now."""
        i, paid, lines, owed = len(self.settlements), self.funds.paid, self.lines, self.owed
        while i < len(lines) and owed[i + 1] <= paid:
            outcome = InstallmentSettled(on, i + 1, lines[i].shares, payment)
            self.settlements.append(self.log.add(outcome))
            i += 1
        return i

    def _award(self, fact: PaymentMade | PlanReinstated, settled: Sequence[Installment]) -> None:
        """Award what a payment earns that settled these lines. Source: RULES.md section 7."""
        awards = earned(
            self.terms.promos,
            payment=fact.reference,
            on=fact.effective_on,
            early=isinstance(fact, PaymentMade) and fact.kind == "early_repayment",
            settled=settled,
            package=self.package,
        )
        for award in awards:
            if credited_at_once(award.promo):
                self.at_once.setdefault(fact.reference, []).append(self._apply_promo(fact.effective_on, award))
            else:
                self.waiting.append(award)

    def _complete(self, on: date, payment: str) -> None:
        """Credit the completion tranche, then the bonuses that wait for it. Source: RULES.md section 8."""
        self.completion = [self.log.add(PlanCompleted(on, self.package - self.released[-1], payment))]
        self.completion += [self._apply_promo(on, award) for award in self._completion_bonuses(on, payment)]
        self.status, self.completed_on = "completed", on

    def _apply_promo(self, on: date, award: Award) -> int:
        self.bonus += award.shares
        return self.log.add(PromoApplied(on, award.promo.code, award.shares, award.payment))

    def _cancel(self, on: date, *, number: int | None = None, request: str | None = None) -> None:
        self.status, self.cancelled_on = "cancelled", on
        forfeited = self.terms.shares - self.released[len(self.settlements)]
        cause: Literal["grace_ended", "requested"] = "requested" if number is None else "grace_ended"
        self.log.add(PlanCancelled(on, cause, number, request, forfeited))

    def _charge_back(self, fact: PaymentReversed) -> None:
        """Take the money back from this day on; what rested on it ceases to hold. Source: RULES.md section 10."""
        if not self.funds.return_payment(fact.reference):
            return
        self.waiting = [award for award in self.waiting if award.payment != fact.reference]
        self._end(self.at_once.pop(fact.reference, ()), by=fact)
        while self.owed[len(self.settlements)] > self.funds.paid:
            self._end([self.settlements.pop()], by=fact)
            i = len(self.settlements)
            self.clock[i], self.restarted = max(self.lines[i].due_on, fact.effective_on), True
            self.missed.discard(i)
        if self.status == "completed" and len(self.settlements) < len(self.lines):
            self._end(self.completion, by=fact)
            self.status, self.completed_on = "active", None

    def _end(self, indexes: Iterable[int], *, by: PaymentReversed) -> None:
        for index in indexes:
            ended = self.log.end(index, by)
            self.bonus -= ended.shares if isinstance(ended, PromoApplied) else 0

    def _reinstate(self, fact: PlanReinstated) -> None:
        """Apply its payment, then what was unapplied; re-date what is still unsettled. Source: RULES.md section 9."""
        on = fact.effective_on
        self.status, self.cancelled_on = "active", None
        self.bonuses_wait = False
        self.package = self.package if fact.revised_shares is None else fact.revised_shares
        self.funds.receive(fact.reference, fact.amount.minor, on, applied=True)
        self._settle(on, fact.reference)
        last = fact.reference
        for reference in self.funds.apply_waiting():
            settled = len(self.settlements)
            self._settle(on, reference)
            last = reference if len(self.settlements) > settled else last
        if len(self.settlements) == len(self.lines):
            self._complete(on, last)
        else:
            self._redate(on, fact.reference)

    def _redate(self, on: date, payment: str) -> None:
        settled = len(self.settlements)
        lines = redated(self.lines[settled:], self.terms.schedule, reinstated_on=on)
        self.lines = (*self.lines[:settled], *lines)
        self.clock[settled:], self.restarted = [line.due_on for line in lines], False
        self.missed.clear()
        revised = tuple(RevisedLine(line.number, line.due_on) for line in lines)
        self.log.add(ScheduleRevised(on, revised, self.package, self.terms.shares - self.package, payment))

    # ---- what it comes to

    def _completion_bonuses(self, on: date, payment: str) -> list[Award]:
        """Return what a completion on schedule would credit, as things stand on a day. Source: RULES.md section 7."""
        if not self.bonuses_wait:
            return []

        def by_due_date() -> bool:
            settled_on = (self.log.outcomes[index].effective_on for index in self.settlements)
            in_time = all(day <= line.due_on for day, line in zip(settled_on, self.lines, strict=False))
            return in_time and all(line.due_on >= on for line in self.lines[len(self.settlements) :])

        return on_completion(
            self.terms.promos,
            self.waiting,
            payment=payment,
            by_due_date=by_due_date,
            package=self.package,
            stacking=self.terms.stacking,
        )

    def timeline(self) -> Timeline:
        """Return what it has come to."""
        return Timeline(self.state(), *self.log.held(), HighWaterMark(self.funds.highest_on, self.funds.highest))

    def step(self, fact: Fact | None) -> Step:
        """Return what happened since the last step."""
        return Step(fact, *self.log.news(), self.state())

    def state(self) -> State:
        """Return the plan as it stands today."""
        on, settled, active = self.today, len(self.settlements), self.status == "active"
        paid_ahead = self.funds.paid - self.owed[settled]
        since = self._first_clock() if active else on
        late = since < on
        due = sum(line.amount for line in self.lines[settled:] if line.due_on <= on) if late else 0
        if due and self.lines[settled].due_on <= on:
            due -= paid_ahead
        credited = self.package if self.status == "completed" else self.released[settled]
        promised = self.package - credited if active else 0
        return State(
            on=on,
            status="in_grace" if late else self.status,
            lines=self.lines,
            settled=settled,
            paid=self.funds.paid,
            missing=self.lines[settled].amount - paid_ahead if settled < len(self.lines) else 0,
            unapplied=self.funds.unapplied,
            overdue=self.lines[self.clock.index(since, settled)] if late else None,
            overdue_since=since if late else None,
            grace_ends_on=since + self.grace if late else None,
            amount_due=due,
            cancelled_on=self.cancelled_on,
            completed_on=self.completed_on,
            package=self.package,
            shares_credited=credited,
            shares_promised=promised,
            shares_forfeited=self.terms.shares - credited - promised,
            bonus_credited=self.bonus,
            bonus_promised=sum(award.shares for award in self._completion_bonuses(on, "")) if active else 0,
        )
