"""A large book, generated from a seed: the same plans, investors, partners and days in every run.

The rules decide a limited number of histories, the templates: terms in three currencies and four time zones, openings
over three years, and customers who pay in time or within grace, complete, prepay, or stop and are cancelled; all are
closed through the eve of `TODAY`. A plan is a copy of a template under its own id, with an investor of one to three
plans and a partner of some hundred. No rule depends on these, so every copy is as valid as its template. Copies are
written whole, one plan after the other, in random order, while the events of a business are interleaved. Only the
templates and one save are held in memory.

On each of the `DAYS` from `TODAY` on, the same number of plans become overdue, and no others have anything due: closing
through such a day is the same work in a book of any size.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate, count

import attrs

from ledger import CommandRefused, Money, PlanTerms, Portion, RecordedEvent
from ledger.commands import ClosePlan, Command, Metadata, OpenPlan, RecordPayment
from ledger.decide import Decider
from ledger.events import PlanOpened
from ledger.plan import Plan
from ledger.projections.periods import plan_periods
from ledger.terms import EarlyRepayment, EveryDays, Monthly, OnTimeBonus, Schedule

TODAY = date(2025, 6, 2)
DAYS = 4
"""Days from `TODAY` on, each with its own plans that become overdue."""

CURRENCIES = ("USD", "EUR", "KZT")
ZONES = ("Europe/Moscow", "Asia/Almaty", "America/Sao_Paulo", "Asia/Tokyo")

_PER_PARTNER = 500
_TEMPLATES = 1_200
_DUE_TEMPLATES = 12
"""Templates of the plans that become overdue on one day."""

_SAVED_TOGETHER = 20_000
_OPENINGS = 3 * 365
_PACES = (
    (2, Monthly()),
    (3, Monthly()),
    (4, EveryDays(182)),
    (6, EveryDays(182)),
    (12, EveryDays(91)),
    (12, Monthly()),
)
_NOON = time(12, 0, tzinfo=UTC)
_DAY = timedelta(days=1)

Template = Sequence[RecordedEvent]


@dataclass(frozen=True)
class Book:
    """A book of `plans` plans; `due` of them become overdue on each of the days."""

    plans: int
    due: int
    seed: int = 2025

    @property
    def partners(self) -> int:
        """The number of partners: they are numbered from 0."""
        return max(1, self.plans // _PER_PARTNER)

    def saves(self) -> Iterator[list[RecordedEvent]]:
        """Yield the events of the whole book, thousands at a time, to be appended together."""
        saved: list[RecordedEvent] = []
        for number, (template, investor, partner) in enumerate(self._copies()):
            saved += _copy(template, plan_id(number), investor=investor, partner=partner)
            if len(saved) >= _SAVED_TOGETHER:
                yield saved
                saved = []
        if saved:
            yield saved

    def _copies(self) -> Iterator[tuple[Template, str, str]]:
        """Yield for each plan its template, investor and partner."""
        dice = random.Random(self.seed)
        templates = [_quiet_template(dice) for _ in range(_TEMPLATES)]
        come_due = [[_due_template(dice, TODAY + k * _DAY) for _ in range(_DUE_TEMPLATES)] for k in range(DAYS)]
        sizes = list(accumulate(dice.lognormvariate(0, 0.7) for _ in range(self.partners)))
        every = self.plans // (self.due * DAYS) if self.due else self.plans + 1
        investors = _investors(dice)
        given = 0
        for number in range(self.plans):
            if number % every == 0 and given < self.due * DAYS:
                template = dice.choice(come_due[given % DAYS])
                given += 1
            else:
                template = dice.choice(templates)
            (partner,) = dice.choices(range(self.partners), cum_weights=sizes)
            yield template, next(investors), partner_id(partner)


def plan_id(number: int) -> str:
    """Return the id of a plan, numbered from 0."""
    return f"G-{number:07d}"


def investor_id(number: int) -> str:
    """Return the id of an investor, numbered from 0; there are about half as many as plans."""
    return f"I-{number:07d}"


def partner_id(number: int) -> str:
    """Return the id of a partner, numbered from 0."""
    return f"N-{number:04d}"


def _investors(dice: random.Random) -> Iterator[str]:
    """Yield the investor of each plan; an investor has one to three plans."""
    for number in count():
        for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
            yield investor_id(number)


def _copy(template: Template, plan: str, *, investor: str, partner: str) -> Iterator[RecordedEvent]:
    """Yield the events of a template as those of another plan."""
    for recorded in template:
        event = recorded.event
        if isinstance(event, PlanOpened):
            event = attrs.evolve(event, investor=investor, partner=partner)
        yield RecordedEvent(
            stream_id=plan,
            version=recorded.version,
            recorded_at=recorded.recorded_at,
            actor=recorded.actor,
            correlation=recorded.correlation,
            key=plan if recorded.version == 1 else recorded.key,
            event=event,
        )


# ---- templates


class _History:
    """The history of a plan, recorded step by step."""

    def __init__(self, terms: PlanTerms, opened_on: date) -> None:
        self.events: list[RecordedEvent] = []
        self._decider = Decider(())
        self._currency = terms.price.currency
        self._do(OpenPlan(plan_id="T", investor="I", partner="N", terms=terms, opened_at=opened_on), opened_on)
        opened = self.events[0].event
        assert isinstance(opened, PlanOpened)
        self.lines = opened.lines

    def pay(self, number: int, on: date, *, lines: int = 1) -> None:
        """Pay some lines at once, from this one on."""
        amount = sum(line.amount for line in self.lines[number - 1 : number - 1 + lines])
        payment = RecordPayment(
            plan_id="T",
            reference=f"bank-{number}",
            amount=Money(amount, self._currency),
            paid_at=on,
            kind="regular" if lines == 1 else "early_repayment",
        )
        self._do(payment, on)

    def close(self, through: date) -> None:
        """Record the outcomes that have come due by the end of a day."""
        self._do(ClosePlan(plan_id="T", through=through), through)

    def comes_due_on(self) -> date | None:
        """Return the next day on which closing has something to record."""
        return plan_periods(Plan(self.events))[1]

    def _do(self, command: Command, on: date) -> None:
        self.events += self._decider.decide(command, Metadata(recorded_at=datetime.combine(on, _NOON) + _DAY))


def _terms(dice: random.Random, installments: int, schedule: Schedule) -> PlanTerms:
    promos = (
        OnTimeBonus(code="on_time", rate_bp=500),
        EarlyRepayment(code="early", rate_bp=100, base="released", credit="on_completion"),
    )
    return PlanTerms(
        price=Money(100_000 * installments * dice.randint(1, 9), dice.choice(CURRENCIES)),
        shares=1_000 * installments * dice.randint(1, 50),
        installments=installments,
        rounding_unit=100,
        schedule=schedule,
        release=Portion(dice.choice(("0.6", "0.75", "0.9"))),
        timezone=dice.choice(ZONES),
        promos=promos[: dice.choice((0, 0, 1, 2))],
    )


def _quiet_template(dice: random.Random) -> Template:
    """Return a history that has nothing due on the `DAYS` from `TODAY` on."""
    while True:
        opened_on = TODAY - dice.randint(10, _OPENINGS) * _DAY
        history = _History(_terms(dice, *dice.choice(_PACES)), opened_on)
        try:
            _pay_lines(dice, history)
        except CommandRefused:
            continue  # a late payment on a cancelled plan: another history
        history.close(TODAY - _DAY)
        due_on = history.comes_due_on()
        if len(history.events) <= 10 and (due_on is None or due_on >= TODAY + DAYS * _DAY):
            return history.events


def _pay_lines(dice: random.Random, history: _History) -> None:
    """Pay in time or within grace; some prepay the rest, and some stop."""
    stops = dice.choice((1, 2, 3, *[None] * 9))
    prepays = dice.choice((2, 3, *[None] * 4))
    for line in history.lines:
        on = line.due_on + dice.choice((0, 0, 0, 3, 12)) * _DAY
        if on >= TODAY or line.number == stops:
            return
        if line.number == prepays and (rest := len(history.lines) - line.number) > 0:
            history.pay(line.number, line.due_on, lines=rest + 1)
            return
        history.pay(line.number, on)


def _due_template(dice: random.Random, day: date) -> Template:
    """Return a history whose next installment was due on the eve of a day.

    Half of them have paid one installment in time, the others four of six, each five days late.
    """
    due_on, late = day - _DAY, dice.choice((False, True))
    terms = _terms(dice, 6 if late else dice.choice((3, 4, 6)), Monthly())
    opened_on = due_on.replace(month=due_on.month - (4 if late else 1))
    history = _History(attrs.evolve(terms, first_due_on=opened_on), opened_on)
    for line in history.lines[: 4 if late else 1]:
        history.pay(line.number, line.due_on + (5 if late else 0) * _DAY)
    history.close(TODAY - _DAY)
    assert history.comes_due_on() == day
    return history.events
