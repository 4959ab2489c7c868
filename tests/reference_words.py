"""The two vocabularies side by side: the ledger's terms, facts and outcomes in the words of the reference_model."""

from ledger import reference_model
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


def _promo(promo: Promo) -> reference_model.Promo:
    if isinstance(promo, OnTimeBonus):
        return reference_model.Promo("on_time", promo.code, promo.rate_bp, standard=promo.standard)
    if isinstance(promo, (DoublePayment, EarlyRepayment)):
        kind = "double" if isinstance(promo, DoublePayment) else "early"
        return reference_model.Promo(kind, promo.code, promo.rate_bp, base=promo.base, credit=promo.credit)
    return reference_model.Promo("package", promo.code, promo.rate_bp)


def terms_of(opened: PlanOpened) -> reference_model.Terms:
    """Return the reference model's terms: what was agreed, without the schedule that the ledger made of it."""
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
    """Return a fact in the reference model's words; None for the opening and for outcomes."""
    if isinstance(event, PaymentMade):
        return reference_model.Paid(event.effective_on, event.reference, event.amount.minor, event.kind)
    if isinstance(event, PaymentReversed):
        return reference_model.Reversed(event.effective_on, event.reference, event.cause)
    if isinstance(event, CancellationRequested):
        return reference_model.CancelRequested(event.effective_on, event.reference)
    if isinstance(event, PlanReinstated):
        return reference_model.Reinstated(event.effective_on, event.reference, event.amount.minor, event.revised_shares)
    return None


def outcome_of(outcome: Outcome) -> reference_model.Outcome:
    """Return an outcome as the reference model writes it."""
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
