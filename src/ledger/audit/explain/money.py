"""The money of a plan, explained: paid, outstanding, held and not applied, and the payments that do not count."""

from collections.abc import Iterable, Iterator

import attrs

from ledger.audit.explain.case import Case
from ledger.audit.explain.tree import Fact, Node, Reason, remainder, rule, total


def paid(case: Case) -> Node:
    """Return the money paid: the payments that are applied."""
    return total("paid", "money", case.state.paid, _payments(case, case.grounds.applied), section=5)


def outstanding(case: Case) -> Node:
    """Return the part of the price that is not paid."""
    price = case.term("price", "terms.price.minor", case.terms.price.minor, "money")
    left = case.terms.price.minor - case.state.paid
    return remainder("outstanding", "money", left, (price, paid(case)), section=8)


def unapplied(case: Case) -> Node:
    """Return the money that is held and found nothing to settle."""
    return total("unapplied", "money", case.state.unapplied, _payments(case, case.grounds.waiting), section=10)


def reasons(case: Case) -> Iterator[Reason]:
    """Yield why payments do not count: in error, charged back, or held on a plan that had ended."""
    for fact in case.plan.reversals.values():
        payment = case.received(fact.reference)
        if fact.cause == "error" and payment.effective_on <= case.as_of:
            facts: dict[str, Fact] = {"reference": fact.reference, "amount": payment.amount}
            events = (case.source(payment), case.source(fact))
            yield Reason(name="payment_in_error", facts=facts, rule=rule(10), events=events)
    for fact, _ in case.chargebacks():
        payment = case.received(fact.reference)
        facts = {"reference": fact.reference, "amount": payment.amount, "date": fact.effective_on}
        events = (case.source(payment), case.source(fact))
        yield Reason(name="payment_charged_back", facts=facts, rule=rule(10), events=events)
    for reference in case.grounds.waiting:
        payment = case.received(reference)
        facts = {"reference": reference, "amount": payment.amount, "date": payment.effective_on}
        yield Reason(name="payment_unapplied", facts=facts, rule=rule(10), events=(case.source(payment),))


def _payments(case: Case, references: Iterable[str]) -> list[Node]:
    return [_payment(case, reference) for reference in references]


def _payment(case: Case, reference: str) -> Node:
    payment = case.received(reference)
    leaf = case.leaf("payment", payment, "amount.minor", payment.amount.minor, "money")
    return attrs.evolve(leaf, facts={"reference": reference, "date": payment.effective_on})
