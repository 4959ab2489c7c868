"""The rules of an installment plan, as one pure function of (terms, facts, date).

A derivation goes from one day on which something happens to the next: deadlines first, then that day's facts as they
were recorded (RULES.md section 6). It comes to a state, and to every outcome with the date from which it holds and,
where a chargeback ended it, until when. Every command, query, dry run and audit goes through it.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate
from operator import attrgetter
from typing import Literal, Self

from ledger.dates import DAY
from ledger.events.facts import Fact, PaymentMade, PaymentReversed, PlanOpened, PlanReinstated
from ledger.events.outcomes import (
    InstallmentSettled,
    Outcome,
    PaymentMissed,
    PlanCancelled,
    PlanCompleted,
    PromoApplied,
    RevisedLine,
    ScheduleRevised,
)
from ledger.state import Snapshot, State, Step, Timeline
from ledger.state.funds import Funds
from ledger.state.grounds import Grounds
from ledger.state.outcome_log import OutcomeLog
from ledger.terms.promos import Award, considered, credited_at_once, earned, stacked
from ledger.terms.schedule import Installment, redated

_effective_on = attrgetter("effective_on")


def timeline(opened: PlanOpened, facts: Sequence[Fact], as_of: date) -> Timeline:
    """Return the outcomes and the state that follow from the facts effective up to and including `as_of`.

    `facts` are in the order in which they were recorded; `as_of` is not before the opening. Source: RULES.md.
    """
    return Derivation.run(opened, facts, through=as_of).timeline()


def grounds(opened: PlanOpened, facts: Sequence[Fact], as_of: date) -> Grounds:
    """Return the grounds of the state that `timeline` comes to: which money counts, which promotions, and why not."""
    return Derivation.run(opened, facts, through=as_of).grounds()


def steps(opened: PlanOpened, facts: Sequence[Fact], as_of: date) -> Iterator[Step]:
    """Yield, one step at a time, all that happens to a plan up to and including `as_of`, each with the state after it.

    The first step is the opening. A step without a fact is a day on which something comes due by itself: between two
    steps only the distance to the date changes. Source: RULES.md.
    """
    derivation = Derivation(opened)
    yield derivation.step(None)
    for fact in _in_force(facts, as_of):
        yield from derivation.steps(through=fact.effective_on)
        derivation.apply(fact)
        yield derivation.step(fact)
    yield from derivation.steps(through=as_of)


def _in_force(facts: Iterable[Fact], as_of: date) -> list[Fact]:
    """Return the facts that count, day by day: a payment in error was never made (section 10)."""
    errors = {fact.reference for fact in facts if isinstance(fact, PaymentReversed) and fact.cause == "error"}
    counting = [fact for fact in facts if fact.effective_on <= as_of and (not errors or fact.reference not in errors)]
    counting.sort(key=_effective_on)  # stable: within a day, as recorded
    return counting


class Derivation:
    """The rules applied to one plan, day by day: `on` is the day whose deadlines have passed.

    Lines are indexed from 0 here and numbered from 1 in the outcomes.
    """

    def __init__(self, opened: PlanOpened) -> None:
        self.on = opened.effective_on
        self._terms = opened.terms
        self._package = opened.terms.shares
        self._lines = opened.lines
        self._owed = (0, *accumulate(line.amount for line in opened.lines))  # money that settles the first i lines
        self._released = (0, *accumulate(line.shares for line in opened.lines))
        self._grace = timedelta(days=opened.terms.grace_days)
        self._clocks = [(line.due_on, i) for i, line in enumerate(opened.lines)]  # past due since, of the open lines

        self._status: Literal["active", "cancelled", "completed"] = "active"
        self._cancelled_on: date | None = None
        self._completed_on: date | None = None
        self._funds = Funds()
        self._log = OutcomeLog()
        self._settlements: list[InstallmentSettled] = []  # of the settled lines
        self._completion: PlanCompleted | None = None
        self._on_completion: list[PromoApplied] = []  # the bonuses that it credited
        self._at_once: dict[str, list[tuple[Award, Outcome]]] = {}  # by payment
        self._waiting: list[Award] = []  # earned, to be credited on completion
        self._bonuses_wait = True  # until a reinstatement
        self._late: Installment | None = None  # the first whose due date has passed unpaid
        self._promised: int | None = None  # bonus shares, until something changes them
        self._bonus = 0

    @classmethod
    def run(cls, opened: PlanOpened, facts: Sequence[Fact], *, through: date) -> Self:
        """Return the derivation of the facts effective up to and including `through`, at the end of that day."""
        derivation = cls(opened)
        for fact in _in_force(facts, through):
            derivation.advance(fact.effective_on)
            derivation.apply(fact)
        derivation.advance(through)
        return derivation

    # ---- days

    def advance(self, through: date) -> None:
        """Let the days pass: missed by clock, then number; then cancelled. Source: RULES.md section 6."""
        passed, self.on = self.on, through
        if self._status != "active" or self._clocks[0][0] >= through:
            return
        if self._late is None:
            self._late, self._promised = self._lines[self._clocks[0][1]], None
        cancelled_on = self._cancellation_day()
        for since, i in self._clocks_between(passed, min(through, cancelled_on) - DAY):
            self._log.add(PaymentMissed(since + DAY, i + 1, self._lines[i].due_on, since + self._grace))
        if cancelled_on <= through:
            self._cancel(cancelled_on, number=self._clocks[0][1] + 1)

    def steps(self, *, through: date) -> Iterator[Step]:
        """Step through the days ahead on which something changes without a fact."""
        for day in self._days_ahead(through):
            self.advance(day)
            yield self.step(None)
        self.advance(through)

    def _days_ahead(self, through: date) -> list[date]:
        """Return the days ahead on which an overdue plan has one more line due or missed, or is cancelled."""
        if self._status != "active" or (first := self._clocks[0][0]) >= through:
            return []
        days = {cancelled_on := self._cancellation_day()}
        last = min(through, cancelled_on)
        for since, i in self._clocks_between(first, last):
            days |= {since + DAY, self._lines[i].due_on}
        return sorted(day for day in days if max(self.on, first) < day <= last)

    def _clocks_between(self, first: date, last: date) -> list[tuple[date, int]]:
        end = bisect_right(self._clocks, (last, len(self._lines)))
        return self._clocks[bisect_left(self._clocks, (first, 0)) : end]

    def _cancellation_day(self) -> date:
        """Return the day on which an active plan is cancelled if nothing more is paid."""
        return self._clocks[0][0] + self._grace + DAY

    # ---- facts

    def apply(self, fact: Fact) -> None:
        """Apply a fact on its day, whose deadlines have passed."""
        if isinstance(fact, PaymentMade):
            self._pay(fact)
        elif isinstance(fact, PaymentReversed):
            self._charge_back(fact)
        elif isinstance(fact, PlanReinstated):
            if self._status == "cancelled":
                self._reinstate(fact)
            else:
                self._pay(fact)  # it was not cancelled after all: an ordinary payment (section 9)
        elif self._status == "active":
            self._cancel(fact.effective_on, request=fact.reference)

    def _pay(self, fact: PaymentMade | PlanReinstated) -> None:
        """Apply a payment to the oldest unsettled lines; on a plan that takes none it stays unapplied (section 5)."""
        active = self._status == "active"
        self._funds.receive(fact.reference, fact.amount.minor, fact.effective_on, applied=active)
        if active:
            first = len(self._settlements)
            settled = self._settle(fact.effective_on, fact.reference)
            if settled > first + 1:
                self._award(fact, self._lines[first:settled])
            if settled == len(self._lines):
                self._complete(fact.effective_on, fact.reference)

    def _settle(self, on: date, payment: str) -> int:
        """Settle the lines that the money covers, oldest first, and return how many are settled now."""
        i, paid, lines, owed = len(self._settlements), self._funds.paid, self._lines, self._owed
        while i < len(lines) and owed[i + 1] <= paid:
            outcome = InstallmentSettled(on, i + 1, lines[i].shares, payment)
            self._settlements.append(outcome)
            self._log.add(outcome)
            at = 0 if self._clocks[0][1] == i else [line for _, line in self._clocks].index(i)
            del self._clocks[at]
            i += 1
        return i

    def _award(self, fact: PaymentMade | PlanReinstated, settled: Sequence[Installment]) -> None:
        """Award the promotions of a payment that settled these lines. Source: RULES.md section 7."""
        awards = earned(
            self._terms.promos,
            payment=fact.reference,
            on=fact.effective_on,
            early=isinstance(fact, PaymentMade) and fact.kind == "early_repayment",
            settled=settled,
            package=self._package,
        )
        for award in awards:
            if credited_at_once(award.promo):
                outcome = self._credit(fact.effective_on, award)
                self._at_once.setdefault(fact.reference, []).append((award, outcome))
            else:
                self._waiting.append(award)
                self._promised = None

    def _complete(self, on: date, payment: str) -> None:
        """Credit the completion tranche, then the bonuses that wait for it. Source: RULES.md section 8."""
        self._completion = PlanCompleted(on, self._package - self._released[-1], payment)
        self._log.add(self._completion)
        self._on_completion = [self._credit(on, award) for award in self._completion_bonuses(payment)]
        self._status, self._completed_on = "completed", on

    def _credit(self, on: date, award: Award) -> PromoApplied:
        self._bonus += award.shares
        outcome = PromoApplied(on, award.promo.code, award.shares, award.payment)
        self._log.add(outcome)
        return outcome

    def _cancel(self, on: date, *, number: int | None = None, request: str | None = None) -> None:
        self._status, self._cancelled_on = "cancelled", on
        forfeited = self._terms.shares - self._released[len(self._settlements)]
        cause: Literal["grace_ended", "requested"] = "requested" if number is None else "grace_ended"
        self._log.add(PlanCancelled(on, cause, number, request, forfeited))

    def _charge_back(self, fact: PaymentReversed) -> None:
        """Take the money back from this day on, with all that rested on it. Source: RULES.md section 10."""
        if not self._funds.return_payment(fact.reference, fact.effective_on):
            return
        self._waiting, self._promised = [award for award in self._waiting if award.payment != fact.reference], None
        self._end([outcome for _, outcome in self._at_once.pop(fact.reference, ())], by=fact)
        late = None
        if self._status == "completed":
            for _ in self._funds.apply_waiting():
                pass  # money that found nothing to settle is left as well
        while self._owed[len(self._settlements)] > self._funds.paid:
            self._end([self._settlements.pop()], by=fact)
            i = len(self._settlements)
            insort(self._clocks, (max(self._lines[i].due_on, fact.effective_on), i))
            late = self._lines[i] if self._lines[i].due_on < fact.effective_on else late
        self._late = self._late or late
        if self._completion is not None and len(self._settlements) < len(self._lines):
            self._end([self._completion, *self._on_completion], by=fact)
            self._status, self._completed_on, self._completion = "active", None, None
        elif self._completion is not None:
            self._credit_again(self._completion, by=fact)

    def _credit_again(self, completion: PlanCompleted, *, by: PaymentReversed) -> None:
        """Credit what completion credits without the awards that fell, where money of the day keeps it completed."""
        awards = {
            (award.promo.code, award.shares, award.payment): award
            for award in self._completion_bonuses(completion.payment)
        }
        kept = [one for one in self._on_completion if awards.pop((one.code, one.shares, one.payment), None)]
        self._end([one for one in self._on_completion if one not in kept], by=by)
        self._on_completion = [*kept, *(self._credit(by.effective_on, award) for award in awards.values())]

    def _end(self, outcomes: Iterable[Outcome], *, by: PaymentReversed) -> None:
        for outcome in outcomes:
            self._log.end(outcome, by)
            self._bonus -= outcome.shares if isinstance(outcome, PromoApplied) else 0

    def _reinstate(self, fact: PlanReinstated) -> None:
        """Apply its payment, then the unapplied ones; re-date the lines still unsettled. Source: RULES.md section 9."""
        on = fact.effective_on
        self._status, self._cancelled_on = "active", None
        self._bonuses_wait, self._promised = False, None
        self._package = min(self._package, fact.revised_shares or self._package)  # never larger than it is by then
        self._funds.receive(fact.reference, fact.amount.minor, on, applied=True)
        self._settle(on, fact.reference)
        last = fact.reference
        for reference in self._funds.apply_waiting():
            settled = len(self._settlements)
            last = reference if self._settle(on, reference) > settled else last
        if len(self._settlements) == len(self._lines):
            self._complete(on, last)
        else:
            self._redate(on, fact.reference)

    def _redate(self, on: date, payment: str) -> None:
        settled = len(self._settlements)
        lines = redated(self._lines[settled:], self._terms.schedule, reinstated_on=on)
        self._lines = (*self._lines[:settled], *lines)
        self._clocks = [(line.due_on, i) for i, line in enumerate(lines, settled)]
        revised = tuple(RevisedLine(line.number, line.due_on) for line in lines)
        self._log.add(ScheduleRevised(on, revised, self._package, self._terms.shares - self._package, payment))

    # ---- results

    def latest(self) -> tuple[tuple[Outcome, ...], Mapping[Outcome, PaymentReversed]]:
        """Return the outcomes that began, and the chargebacks that ended others, since the last call."""
        return self._log.latest()

    def step(self, fact: Fact | None) -> Step:
        """Return the step that a fact or, without one, the day has made since the last one."""
        return Step(fact, *self._log.latest(), self.state())

    def timeline(self) -> Timeline:
        """Return all outcomes, and the state at the end of the day."""
        return Timeline(self.state(), *self._log.held(), *self._funds.most_held())

    def snapshot(self) -> Snapshot:
        """Return the part of the state on which commands are refused."""
        settled, held = len(self._settlements), self._funds.paid + self._funds.unapplied
        missing = self._owed[settled + 1] - self._funds.paid if settled < len(self._lines) else 0
        return Snapshot(self._lines, settled, missing, held, self._cancelled_on, self._completed_on, self._package)

    def state(self) -> State:
        """Return the plan at the end of the day."""
        on, settled, active = self.on, len(self._settlements), self._status == "active"
        paid_ahead = self._funds.paid - self._owed[settled]
        since, first = self._clocks[0] if active else (on, 0)
        late = since < on
        due = [i for since, i in self._clocks if since <= on] if late else []
        credited = self._package if self._status == "completed" else self._released[settled]
        promised = self._package - credited if active else 0
        return State(
            on=on,
            status="in_grace" if late else self._status,
            lines=self._lines,
            settled=settled,
            paid=self._funds.paid,
            missing=self._lines[settled].amount - paid_ahead if settled < len(self._lines) else 0,
            unapplied=self._funds.unapplied,
            overdue=self._lines[first] if late else None,
            overdue_since=since if late else None,
            grace_ends_on=self._cancellation_day() - DAY if late else None,
            amount_due=sum(self._lines[i].amount for i in due) - (paid_ahead if settled in due else 0),
            cancelled_on=self._cancelled_on,
            completed_on=self._completed_on,
            package=self._package,
            shares_credited=credited,
            shares_promised=promised,
            shares_forfeited=self._terms.shares - credited - promised,
            bonus_credited=self._bonus,
            bonus_promised=self._bonus_promised() if active else 0,
        )

    def grounds(self) -> Grounds:
        """Return the grounds of the state at the end of the day."""
        candidates = self._candidates("" if self._completed_on is None else self._settlements[-1].payment)
        return Grounds(
            applied=self._funds.applied(),
            waiting=self._funds.waiting(),
            at_once=tuple(award for pairs in self._at_once.values() for award, _ in pairs),
            considered=tuple(candidates),
            on_completion=tuple(stacked(candidates, self._terms.stacking)),
            late=self._late,
            bonuses_wait=self._bonuses_wait,
        )

    def _bonus_promised(self) -> int:
        if self._promised is None:
            self._promised = sum(award.shares for award in self._completion_bonuses(""))
        return self._promised

    def _completion_bonuses(self, payment: str) -> Sequence[Award]:
        """Return the awards that completion on schedule credits, as of today. Source: RULES.md section 7."""
        return stacked(self._candidates(payment), self._terms.stacking)

    def _candidates(self, payment: str) -> list[Award]:
        if not self._bonuses_wait:
            return []
        return considered(
            self._terms.promos,
            self._waiting,
            payment=payment,
            by_due_date=self._late is None,
            package=self._package,
            stacking=self._terms.stacking,
        )
