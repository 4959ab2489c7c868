"""The two vocabularies side by side: the ledger's terms, facts and outcomes in the words of the referee."""

from ledger.events import (
    CancellationRequested,
    Event,
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
    ScheduleRevised,
)
from ledger.money import EXPONENTS
from ledger.terms import (
    DoublePayment,
    EarlyRepayment,
    EveryDays,
    ExplicitSchedule,
    OnTimeBonus,
    PerUnit,
    Portion,
    Promo,
)
from tests import referee


def _promo(promo: Promo) -> referee.Promo:
    if isinstance(promo, OnTimeBonus):
        return referee.Promo("on_time", promo.code, promo.rate_bp, standard=promo.standard)
    if isinstance(promo, (DoublePayment, EarlyRepayment)):
        kind = "double" if isinstance(promo, DoublePayment) else "early"
        return referee.Promo(kind, promo.code, promo.rate_bp, base=promo.base, credit=promo.credit)
    return referee.Promo("package", promo.code, promo.rate_bp)


def terms_of(opened: PlanOpened) -> referee.Terms:
    """Return the referee's terms: what was agreed, without the schedule that the ledger made of it."""
    terms = opened.terms
    release = terms.release
    if isinstance(release, PerUnit):
        released: tuple[object, ...] = ("per_unit", release.rate)
    elif isinstance(release, Portion):
        released = ("portion", release.fraction)
    else:
        released = ("explicit", release.shares)  # type: ignore[attr-defined]  # the third of three
    schedule: tuple[object, ...] = ("monthly",)
    if isinstance(terms.schedule, EveryDays):
        schedule = ("every", terms.schedule.days)
    elif isinstance(terms.schedule, ExplicitSchedule):
        schedule = ("lines", terms.schedule.lines)
    assert terms.first_due_on is not None
    return referee.Terms(
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


def fact_of(event: Event) -> referee.Fact | None:
    """Return a fact in the referee's words; None for the opening and for outcomes."""
    if isinstance(event, PaymentMade):
        return referee.Paid(event.effective_on, event.reference, event.amount.minor, event.kind)
    if isinstance(event, PaymentReversed):
        return referee.Reversed(event.effective_on, event.reference, event.cause)
    if isinstance(event, CancellationRequested):
        return referee.CancelRequested(event.effective_on, event.reference)
    if isinstance(event, PlanReinstated):
        return referee.Reinstated(event.effective_on, event.reference, event.amount.minor, event.revised_shares)
    return None


def outcome_of(outcome: Outcome) -> referee.Outcome:
    """Return an outcome as the referee writes it."""
    on = outcome.effective_on
    if isinstance(outcome, InstallmentSettled):
        return ("settled", on, outcome.number, outcome.shares, outcome.payment)
    if isinstance(outcome, PaymentMissed):
        return ("missed", on, outcome.number)
    if isinstance(outcome, PlanCancelled):
        by_grace = outcome.cause == "grace_ended"
        return ("cancelled", on, "grace", outcome.number) if by_grace else ("cancelled", on, "request", outcome.request)
    if isinstance(outcome, PlanCompleted):
        return ("completed", on, outcome.shares, outcome.payment)
    if isinstance(outcome, PromoApplied):
        return ("promo", on, outcome.code, outcome.shares, outcome.payment)
    assert isinstance(outcome, ScheduleRevised)
    return ("revised", on, tuple((line.number, line.due_on) for line in outcome.lines))
