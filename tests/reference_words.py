"""The vocabularies of the ledger and of the reference model side by side, each translated into the other.

Terms, facts, outcomes and states go from the ledger to the reference model, terms and facts the other way too.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, cast

from ledger.audit import verify as reference_model
from ledger.commands import OpenPlan
from ledger.decide import opening
from ledger.events import (
    CancellationRequested,
    Event,
    Fact,
    InstallmentSettled,
    Outcome,
    PaymentMade,
    PaymentMissed,
    PaymentReversed,
    PlanCancelled,
    PlanCompleted,
    PlanOpened,
    PlanReinstated,
    PromoApplied,
    RecordedEvent,
    ScheduleRevised,
)
from ledger.money import EXPONENTS, Money
from ledger.state import Timeline
from ledger.state.position import position
from ledger.terms import (
    DoublePayment,
    EarlyRepayment,
    EveryDays,
    ExplicitRelease,
    ExplicitSchedule,
    Monthly,
    OnTimeBonus,
    PackageBonus,
    PerUnit,
    PlanTerms,
    Portion,
    Promo,
)
from ledger.timeline import timeline

# ---- from the ledger to the reference model


def _promo(promo: Promo) -> reference_model.Promo:
    if isinstance(promo, OnTimeBonus):
        return reference_model.Promo("on_time", promo.code, promo.rate_bp, standard=promo.standard)
    if isinstance(promo, (DoublePayment, EarlyRepayment)):
        kind = "double" if isinstance(promo, DoublePayment) else "early"
        return reference_model.Promo(kind, promo.code, promo.rate_bp, base=promo.base, credit=promo.credit)
    return reference_model.Promo("package", promo.code, promo.rate_bp)


def terms_of(opened: PlanOpened) -> reference_model.Terms:
    """Return the terms as agreed, without the schedule that the ledger made of them."""
    terms = opened.terms
    release = terms.release
    if isinstance(release, PerUnit):
        released: tuple[object, ...] = ("per_unit", release.rate)
    elif isinstance(release, Portion):
        released = ("portion", release.fraction)
    else:
        released = ("explicit", cast(ExplicitRelease, release).shares)
    schedule: tuple[object, ...] = ("monthly",)
    if isinstance(terms.schedule, EveryDays):
        schedule = ("every", terms.schedule.days)
    elif isinstance(terms.schedule, ExplicitSchedule):
        schedule = ("lines", terms.schedule.lines)
    assert terms.first_due_on is not None
    return reference_model.Terms(
        price=terms.price.minor,
        exponent=EXPONENTS[terms.price.currency],
        shares=terms.shares,
        installments=terms.installments,
        rounding_unit=terms.rounding_unit,
        release=released,
        schedule=schedule,
        first_due_on=terms.first_due_on,
        grace_days=terms.grace_days,
        promos=tuple(map(_promo, terms.promos)),
        stacking=terms.stacking,
    )


def fact_of(event: Event) -> reference_model.Fact | None:
    """Return a fact; None for the opening and for outcomes."""
    if isinstance(event, PaymentMade):
        return reference_model.Paid(event.effective_on, event.reference, event.amount.minor, event.kind)
    if isinstance(event, PaymentReversed):
        return reference_model.Reversed(event.effective_on, event.reference, event.cause)
    if isinstance(event, CancellationRequested):
        return reference_model.CancelRequested(event.effective_on, event.reference)
    if isinstance(event, PlanReinstated):
        return reference_model.Reinstated(event.effective_on, event.reference, event.amount.minor, event.revised_shares)
    return None


def facts_of(history: Iterable[RecordedEvent]) -> list[reference_model.Fact]:
    """Return the facts of a recorded history after its opening."""
    return [fact for recorded in history if (fact := fact_of(recorded.event)) is not None]


def outcome_of(outcome: Outcome) -> reference_model.Outcome:
    """Return an outcome as the reference model writes it."""
    on = outcome.effective_on
    if isinstance(outcome, InstallmentSettled):
        return ("settled", on, outcome.number, outcome.shares, outcome.payment)
    if isinstance(outcome, PaymentMissed):
        return ("missed", on, outcome.number, outcome.due_on, outcome.grace_ends_on)
    if isinstance(outcome, PlanCancelled):
        by_grace = outcome.cause == "grace_ended"
        why, by = ("grace", outcome.number) if by_grace else ("request", outcome.request)
        return ("cancelled", on, why, by, outcome.shares_forfeited)
    if isinstance(outcome, PlanCompleted):
        return ("completed", on, outcome.shares, outcome.payment)
    if isinstance(outcome, PromoApplied):
        return ("promo", on, outcome.code, outcome.shares, outcome.payment)
    assert isinstance(outcome, ScheduleRevised)
    lines = tuple((line.number, line.due_on) for line in outcome.lines)
    return ("revised", on, lines, outcome.shares, outcome.shares_forfeited, outcome.payment)


def report_of(opened: PlanOpened, derived: Timeline, as_of: date) -> reference_model.Report:
    """Return the report on a plan as derived by the ledger."""
    state, plan = derived.state, position("P-1", opened, derived.state, as_of)
    upcoming, ends_on = plan.next_installment, plan.grace_ends_on
    return reference_model.Report(
        status=plan.status,
        paid=plan.paid.minor,
        outstanding=plan.outstanding.minor,
        unapplied=plan.unapplied.minor,
        settled=plan.settled,
        next_number=getattr(upcoming, "number", None),
        next_due_on=getattr(upcoming, "due_on", None),
        next_amount=None if upcoming is None else upcoming.amount.minor,
        next_shares=getattr(upcoming, "shares", None),
        next_missing=None if upcoming is None else upcoming.missing.minor,
        overdue_number=getattr(state.overdue, "number", None),
        overdue_due_on=getattr(state.overdue, "due_on", None),
        days_past_due=plan.days_past_due,
        days_left=None if ends_on is None else (ends_on - as_of).days,
        grace_ends_on=ends_on,
        amount_due=state.amount_due,
        cancelled_on=plan.cancelled_on,
        completed_on=plan.completed_on,
        shares_credited=plan.shares_credited,
        shares_promised=plan.shares_promised,
        shares_forfeited=plan.shares_forfeited,
        bonus_credited=plan.bonus_credited,
        bonus_promised=plan.bonus_promised,
        overpaid_on=derived.most_held_on if derived.most_held > plan.price.minor else None,
        outcomes=set(map(outcome_of, derived.holding())),
    )


# ---- from the reference model to the ledger

_PROMOS: Mapping[str, type[Any]] = {
    "on_time": OnTimeBonus,
    "package": PackageBonus,
    "double": DoublePayment,
    "early": EarlyRepayment,
}
_PROMO_FIELDS = {"on_time": ("standard",), "package": (), "double": ("base", "credit"), "early": ("base", "credit")}
_RELEASES: Mapping[str, type[Any]] = {"per_unit": PerUnit, "portion": Portion, "explicit": ExplicitRelease}
_SCHEDULES: Mapping[str, type[Any]] = {"monthly": Monthly, "every": EveryDays, "lines": ExplicitSchedule}
_CURRENCIES = {0: "JPY", 2: "USD", 3: "KWD"}


def opened_from(terms: reference_model.Terms, opened_on: date) -> PlanOpened:
    """Return the opening of a plan under these terms."""
    promos = [
        _PROMOS[promo.type](
            code=promo.code, rate_bp=promo.rate_bp, **{name: getattr(promo, name) for name in _PROMO_FIELDS[promo.type]}
        )
        for promo in terms.promos
    ]
    agreed = PlanTerms(
        price=Money(terms.price, _CURRENCIES[terms.exponent]),
        shares=terms.shares,
        installments=terms.installments,
        rounding_unit=terms.rounding_unit,
        release=_RELEASES[terms.release[0]](*terms.release[1:]),
        schedule=_SCHEDULES[terms.schedule[0]](*terms.schedule[1:]),
        first_due_on=reference_model.due_dates(terms)[0],
        timezone="UTC",
        grace_days=terms.grace_days,
        promos=promos,
        stacking=cast(Any, terms.stacking),
    )
    return opening(OpenPlan(plan_id="P-1", investor="I-1", partner=None, terms=agreed, opened_at=opened_on))


def facts_from(facts: Sequence[reference_model.Fact], currency: str) -> list[Fact]:
    """Return facts of a plan; a reversal for error is effective from its payment's own date."""
    paid_on = {fact.reference: fact.on for fact in facts if not isinstance(fact, reference_model.Reversed)}
    return [_fact_from(fact, currency, paid_on) for fact in facts]


def _fact_from(fact: reference_model.Fact, currency: str, paid_on: Mapping[str, date]) -> Fact:
    on: Any = fact.on
    if isinstance(fact, reference_model.CancelRequested):
        return CancellationRequested(effective_on=on, reference=fact.reference, reason="asked")
    if isinstance(fact, reference_model.Reversed):
        on = paid_on[fact.reference] if fact.cause == "error" else on
        return PaymentReversed(effective_on=on, reference=fact.reference, cause=cast(Any, fact.cause))
    amount = Money(fact.amount, currency)
    if isinstance(fact, reference_model.Paid):
        kind: Any = fact.kind
        return PaymentMade(effective_on=on, reference=fact.reference, amount=amount, kind=kind, paid_at=None)
    return PlanReinstated(
        effective_on=on,
        reference=fact.reference,
        amount=amount,
        approved_by="head of sales",
        reason="illness",
        revised_shares=fact.revised_shares,
    )


class LedgerInReferenceWords:
    """The rules as the ledger implements them, called as the reference model is."""

    @staticmethod
    def schedule(terms: reference_model.Terms) -> list[tuple[date, int, int]]:
        """Return due date, amount and released shares of each installment."""
        lines = opened_from(terms, reference_model.due_dates(terms)[0]).lines
        return [(line.due_on, line.amount, line.shares) for line in lines]

    @staticmethod
    def derive(
        terms: reference_model.Terms, opened_on: date, facts: Sequence[reference_model.Fact], as_of: date
    ) -> reference_model.Report:
        """Return the report on a date."""
        opened = opened_from(terms, opened_on)
        derived = timeline(opened, facts_from(facts, opened.terms.price.currency), as_of)
        return report_of(opened, derived, as_of)
