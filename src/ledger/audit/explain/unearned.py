"""Why not: the promotions of a plan's terms that are not credited and will not be, each with its reason."""

from collections.abc import Iterator

from ledger.audit.explain.case import Case, Received
from ledger.audit.explain.tree import Fact, Reason, Source, rule
from ledger.events import PaymentMade
from ledger.events.outcomes import InstallmentSettled, PlanCancelled
from ledger.terms import EarlyRepayment, EarnedPromo, OnTimeBonus, Promo
from ledger.terms.promos import Award, Unearned, credited_at_once, judged


def reasons(case: Case) -> Iterator[Reason]:
    """Yield, for each promotion in the order of the terms, why it is not credited; those still to come are waiting."""
    if not case.terms.promos:
        yield Reason(name="no_promotions", facts={}, rule=rule(7), events=(case.source(case.opened),))
    if case.active and case.grounds.on_completion:
        facts: dict[str, Fact] = {
            "count": len(case.state.lines) - case.state.settled,
            "amount": case.money(case.terms.price.minor - case.state.paid),
        }
        yield Reason(name="bonus_waits", facts=facts, rule=rule(7))
    for promo in case.terms.promos:
        if isinstance(promo, EarnedPromo):
            yield from _earned(case, promo)
        else:
            yield from _on_package(case, promo)


def _on_package(case: Case, promo: Promo) -> Iterator[Reason]:
    """Yield why a bonus on the package is neither credited nor to come."""
    state, grounds = case.state, case.grounds
    if not grounds.bonuses_wait:
        yield _lost(case, promo, case.cancellations()[0], name="lost")
    elif state.status == "cancelled":
        yield _lost(case, promo, case.cancellations()[-1], name="cancelled")
    elif isinstance(promo, OnTimeBonus) and promo.standard == "by_due_date" and grounds.late is not None:
        yield _late(case, promo)
    else:
        yield from _not_standing(case, promo)


def _not_standing(case: Case, promo: Promo) -> Iterator[Reason]:
    """Yield why stacking leaves a promotion out, or that it rounds down to nothing."""
    grounds, facts = case.grounds, dict[str, Fact](code=promo.code)
    considered = [award for award in grounds.considered if award.promo is promo]
    for award in considered:
        if award not in grounds.on_completion:
            largest = grounds.on_completion[0]
            facts |= {"shares": award.shares, "other": largest.promo.code, "most": largest.shares}
            yield Reason(name="outdone", facts=facts, rule=rule(7))
    if not considered and not isinstance(promo, EarnedPromo):
        yield Reason(name="rounds_to_nothing", facts=facts, rule=rule(7))


def _late(case: Case, promo: Promo) -> Reason:
    """Return the installment that was not settled by its due date, and the day on which it was."""
    late = case.grounds.late
    assert late is not None, promo
    facts: dict[str, Fact] = {"code": promo.code, "number": late.number, "due": late.due_on}
    settled = case.settlements.get(late.number)
    if settled is None:
        return Reason(name="late_unpaid", facts=facts, rule=rule(7))
    facts |= {"paid": settled.effective_on, "reference": settled.payment}
    events = (case.source(settled), case.source(case.received(settled.payment)))
    return Reason(name="late_paid", facts=facts, rule=rule(7), events=events)


def _lost(case: Case, promo: Promo, cancelled: PlanCancelled, *, name: str, award: Award | None = None) -> Reason:
    """Return the cancellation with which a promotion was lost, and the payment that came after it."""
    missed, facts = case.missed(cancelled), dict[str, Fact](code=promo.code, date=cancelled.effective_on)
    events = [case.source(cancelled)]
    if award is not None:
        facts["reference"] = award.payment
        events.append(case.source(case.received(award.payment)))
        return Reason(name=f"{name}_award", facts=facts, rule=rule(7), events=tuple(events))
    if missed is None:
        by_request = {"lost": "lost_by_request", "cancelled": "cancelled_by_request_bonus"}[name]
        return Reason(name=by_request, facts=facts, rule=rule(7), events=tuple(events))
    facts |= {"number": missed.number, "due": missed.due_on, "grace": missed.grace_ends_on}
    events.insert(0, case.source(missed))
    if paid := case.paid_after(cancelled):
        facts |= {"paid": paid.effective_on, "reference": paid.reference}
        events.append(case.source(paid))
    return Reason(name=f"{name}_paid" if paid else f"{name}_unpaid", facts=facts, rule=rule(7), events=tuple(events))


# ---- promotions that payments earn


def _earned(case: Case, promo: EarnedPromo) -> Iterator[Reason]:
    """Yield why a promotion that payments earn was not earned, or does not stand."""
    standing = {award.payment for award in (*case.grounds.at_once, *case.grounds.considered) if award.promo is promo}
    found = list(_judged(case, promo))
    awards = [one for one in found if isinstance(one, Award)]
    for award in awards:
        if award.payment in standing and case.state.status == "cancelled" and not credited_at_once(promo):
            yield _lost(case, promo, case.cancellations()[-1], name="cancelled", award=award)
        elif award.payment not in standing:
            yield _fallen(case, promo, award)
    yield from _not_standing(case, promo) if case.state.status != "cancelled" else ()
    if not awards:
        stated = [one for one in found if isinstance(one, Unearned) and one.why not in ("one_installment", "not_early")]
        for one in stated:
            yield _unmet(case, one)
        if not stated:
            yield Reason(
                name="never_early" if isinstance(promo, EarlyRepayment) else "never_double",
                facts={"code": promo.code},
                rule=rule(7),
            )


def _judged(case: Case, promo: EarnedPromo) -> Iterator[Award | Unearned]:
    """Yield the judgement on each payment that settled an installment, by the rules' own predicate."""
    for before, step in case.moments():
        fact = step.fact
        if not isinstance(fact, Received) or before.status not in ("active", "in_grace"):
            continue
        settled = [before.lines[one.number - 1] for one in step.outcomes if isinstance(one, InstallmentSettled)]
        if settled:
            early = isinstance(fact, PaymentMade) and fact.kind == "early_repayment"
            yield from judged(
                [promo],
                payment=fact.reference,
                on=fact.effective_on,
                early=early,
                settled=settled,
                package=before.package,
            )


def _fallen(case: Case, promo: EarnedPromo, award: Award) -> Reason:
    """Return why an award that was earned does not stand: its payment was charged back, or it was lost for good."""
    facts: dict[str, Fact] = {"code": promo.code, "reference": award.payment}
    for fact, _ in case.chargebacks():
        if fact.reference == award.payment:
            facts["date"] = fact.effective_on
            return Reason(name="award_charged_back", facts=facts, rule=rule(7), events=(case.source(fact),))
    return _lost(case, promo, case.cancellations()[0], name="lost", award=award)


def _unmet(case: Case, one: Unearned) -> Reason:
    payment = case.received(one.payment)
    facts: dict[str, Fact] = {"code": one.promo.code, "reference": one.payment, "date": payment.effective_on}
    events: tuple[Source, ...] = (case.source(payment),)
    return Reason(name=f"unearned_{one.why}", facts=facts, rule=rule(7), events=events)
