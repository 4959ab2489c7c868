"""The strategies of `st.from_type`: each class of the ledger with the strategy that makes its values.

The entry point `installment_ledger_hypothesis` registers these classes. Values stand for themselves: an outcome made
here follows from no plan. Whole plans are made by `histories`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from ledger import commands as asked
from ledger.dates import DAY
from ledger.events import (
    CancellationRequested,
    InstallmentSettled,
    OutcomeVoided,
    PaymentMade,
    PaymentMissed,
    PaymentReversed,
    PlanCancelled,
    PlanCompleted,
    PlanOpened,
    PlanReinstated,
    PromoApplied,
    RecordedEvent,
    RevisedLine,
    ScheduleRevised,
)
from ledger.money import Money
from ledger.state.position import Position
from ledger.terms import PlanTerms, Promo, Reinstatement, Release, Schedule
from ledger.terms.schedule import Installment
from ledger.testing.strategies._hypothesis import st
from ledger.testing.strategies.histories import histories
from ledger.testing.strategies.plan_terms import money, openings, parts, schedules, terms

_DAYS = openings()
_PLANS = st.integers(1, 9).map("P-{}".format)
_REFERENCES = st.integers(1, 99).map("bank-{}".format)
_REASONS = st.sampled_from(["asked by the investor", "the investor came back"])
_SHARES = st.integers(0, 400_000)
_SOME_SHARES = st.integers(1, 400_000)
_NUMBERS = st.integers(1, 8)
_INSTANTS = st.datetimes(datetime(2023, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
_CAUSES = st.sampled_from(["error", "chargeback"])
_KINDS = st.sampled_from(["regular", "early_repayment"])
_REVISED = st.none() | _SOME_SHARES


def strategy_of(kind: type[Any]) -> Any:
    """Return the strategy of a class of the ledger."""
    for base in (Schedule, Release, Promo, Reinstatement):
        if issubclass(kind, base):
            return parts(kind)
    return _STRATEGIES[kind]()


@st.composite
def _plans_opened(draw: st.DrawFn, /) -> PlanOpened:
    return draw(histories(longest=0)).opened


@st.composite
def _positions(draw: st.DrawFn, /) -> Position:
    plan = draw(histories()).plan
    return plan.position(max(plan.opened.effective_on, plan.horizon + draw(st.integers(-40, 40)) * DAY))


@st.composite
def _missed(draw: st.DrawFn, /) -> PaymentMissed:
    due_on, grace = draw(_DAYS), draw(st.sampled_from([19, 0, 1, 45]))
    return PaymentMissed(due_on + DAY, draw(_NUMBERS), due_on, due_on + grace * DAY)


@st.composite
def _cancelled(draw: st.DrawFn, /) -> PlanCancelled:
    on, shares = draw(_DAYS), draw(_SHARES)
    if draw(st.booleans()):
        return PlanCancelled(on, "requested", None, draw(_REFERENCES), shares)
    return PlanCancelled(on, "grace_ended", draw(_NUMBERS), None, shares)


@st.composite
def _revised(draw: st.DrawFn, /) -> ScheduleRevised:
    on, first, count = draw(_DAYS), draw(_NUMBERS), draw(_NUMBERS)
    lines = tuple(RevisedLine(first + index, on + 30 * (index + 1) * DAY) for index in range(count))
    return ScheduleRevised(on, lines, draw(_SOME_SHARES), draw(_SHARES), draw(_REFERENCES))


def _reversal(plan_id: str, reference: str, on: date, cause: Any) -> asked.ReversePayment:
    day = on if cause == "chargeback" else None
    return asked.ReversePayment(plan_id=plan_id, reference=reference, cause=cause, on=day)


def _commands(kind: type[asked.Command]) -> st.SearchStrategy[asked.Command]:
    kinds = [one for one in _OF_COMMANDS if issubclass(one, kind)]
    return st.one_of(*(_OF_COMMANDS[one]() for one in kinds))


_OF_COMMANDS: Mapping[type[asked.Command], Callable[[], st.SearchStrategy[Any]]] = {
    asked.RecordPayment: lambda: st.builds(
        asked.RecordPayment, plan_id=_PLANS, reference=_REFERENCES, amount=money(), paid_at=_DAYS, kind=_KINDS
    ),
    asked.ReversePayment: lambda: st.builds(_reversal, _PLANS, _REFERENCES, _DAYS, _CAUSES),
    asked.CancelPlan: lambda: st.builds(
        asked.CancelPlan, plan_id=_PLANS, reference=_REFERENCES, on=_DAYS, reason=_REASONS
    ),
    asked.ReinstatePlan: lambda: st.builds(
        asked.ReinstatePlan,
        plan_id=_PLANS,
        reference=_REFERENCES,
        on=_DAYS,
        amount=money(),
        approved_by=st.just("head of sales"),
        reason=_REASONS,
        revised_shares=_REVISED,
    ),
    asked.ClosePlan: lambda: st.builds(asked.ClosePlan, plan_id=_PLANS, through=_DAYS),
    asked.OpenPlan: lambda: histories(longest=0).map(lambda history: history.opening),
}

_STRATEGIES: Mapping[type[Any], Callable[[], st.SearchStrategy[Any]]] = {
    Money: money,
    PlanTerms: terms,
    Installment: lambda: schedules().flatmap(lambda made: st.sampled_from(made[1])),
    Position: _positions,
    **{kind: partial(_commands, kind) for kind in (*_OF_COMMANDS, asked.Command, asked.Change)},
    asked.Metadata: lambda: st.builds(
        asked.Metadata, recorded_at=_INSTANTS, actor=st.sampled_from(["clerk", None]), correlation=st.none()
    ),
    PlanOpened: _plans_opened,
    PaymentMade: lambda: st.builds(
        PaymentMade, effective_on=_DAYS, reference=_REFERENCES, amount=money(), kind=_KINDS, paid_at=st.none()
    ),
    PaymentReversed: lambda: st.builds(PaymentReversed, effective_on=_DAYS, reference=_REFERENCES, cause=_CAUSES),
    CancellationRequested: lambda: st.builds(
        CancellationRequested, effective_on=_DAYS, reference=_REFERENCES, reason=_REASONS
    ),
    PlanReinstated: lambda: st.builds(
        PlanReinstated,
        effective_on=_DAYS,
        reference=_REFERENCES,
        amount=money(),
        approved_by=st.just("head of sales"),
        reason=_REASONS,
        revised_shares=_REVISED,
    ),
    InstallmentSettled: lambda: st.builds(InstallmentSettled, _DAYS, _NUMBERS, _SHARES, _REFERENCES),
    PaymentMissed: _missed,
    PromoApplied: lambda: st.builds(
        PromoApplied, _DAYS, st.sampled_from(["on_time", "spring"]), _SOME_SHARES, _REFERENCES
    ),
    PlanCancelled: _cancelled,
    PlanCompleted: lambda: st.builds(PlanCompleted, _DAYS, _SHARES, _REFERENCES),
    RevisedLine: lambda: st.builds(RevisedLine, _NUMBERS, _DAYS),
    ScheduleRevised: _revised,
    OutcomeVoided: lambda: st.builds(OutcomeVoided, _DAYS, st.integers(2, 9), _SHARES, st.integers(10, 20)),
    RecordedEvent: lambda: histories().map(lambda history: history.events).flatmap(st.sampled_from),
}
