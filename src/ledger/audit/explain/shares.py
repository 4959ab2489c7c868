"""The shares of a package, explained: credited, promised, forfeited, and why not more is credited."""

from collections.abc import Iterator
from fractions import Fraction

import attrs

from ledger.audit.explain.case import Case
from ledger.audit.explain.status import cancellation, reopened
from ledger.audit.explain.tree import Fact, Node, Reason, constant, remainder, rounded_down, rule, total
from ledger.money import EXPONENTS
from ledger.terms import PerUnit, Portion
from ledger.terms.schedule import Installment


def credited(case: Case) -> Node:
    """Return the shares credited: by each settled installment, and the completion tranche."""
    children = [_settled(case, line) for line in case.state.lines[: case.state.settled]]
    if case.state.status == "completed":
        children.append(tranche(case))
    return total("shares_credited", "shares", case.state.shares_credited, children, section=8)


def promised(case: Case) -> Node:
    """Return the shares that an active plan would still bring if it is paid on schedule."""
    children = []
    if case.active:
        children = [_open(case, line) for line in case.state.lines[case.state.settled :]]
        children.append(tranche(case))
    return total("shares_promised", "shares", case.state.shares_promised, children, section=8)


def forfeited(case: Case) -> Node:
    """Return the shares of the package that are lost: given up in a revision, or by a cancellation."""
    children = []
    if case.state.package < case.terms.shares:
        agreed = case.term("agreed_package", "terms.shares", case.terms.shares, "shares")
        lost = case.terms.shares - case.state.package
        children.append(remainder("forfeited_in_revision", "shares", lost, (agreed, case.package()), section=9))
    if case.state.status == "cancelled":
        lost = case.state.package - case.state.shares_credited
        cancelled = case.cancellations()[-1]
        node = remainder("forfeited_by_cancellation", "shares", lost, (case.package(), credited(case)), section=6)
        children.append(attrs.evolve(node, events=(case.source(cancelled),)))
    return total("shares_forfeited", "shares", case.state.shares_forfeited, children, section=8)


def tranche(case: Case) -> Node:
    """Return the completion tranche: the shares that all installments together leave of the package."""
    lines = case.state.lines
    leaves = [case.term("released", f"lines.{i}.shares", line.shares, "shares") for i, line in enumerate(lines)]
    released = total("released_in_all", "shares", sum(line.shares for line in lines), leaves, section=4)
    left = case.state.package - sum(line.shares for line in lines)
    return remainder("completion_tranche", "shares", left, (case.package(), released), section=4)


def reasons(case: Case) -> Iterator[Reason]:
    """Yield why shares are not credited: the tranche that waits, the cancellation, a revision, chargebacks."""
    state = case.state
    if case.active:
        facts: dict[str, Fact] = {
            "count": len(state.lines) - state.settled,
            "shares": state.package - sum(line.shares for line in state.lines),
            "amount": case.money(case.terms.price.minor - state.paid),
        }
        yield Reason(name="completion_tranche_waits", facts=facts, rule=rule(4))
    if state.status == "cancelled":
        yield cancellation(case)
    for fact in case.reinstatements():
        if fact.revised_shares is not None and state.package < case.terms.shares:
            facts = {
                "date": fact.effective_on,
                "shares": fact.revised_shares,
                "approver": fact.approved_by,
                "reason": fact.reason,
            }
            yield Reason(name="package_revised", facts=facts, rule=rule(9), events=(case.source(fact),))
    yield from reopened(case)


def _settled(case: Case, line: Installment) -> Node:
    settlement = case.settlements[line.number]
    facts: dict[str, Fact] = {"number": line.number, "date": settlement.effective_on, "reference": settlement.payment}
    events = (case.source(settlement), case.source(case.received(settlement.payment)))
    node = _release(case, line)
    return attrs.evolve(node, name="installment_settled", facts=facts, rule=rule(5), events=(*node.events, *events))


def _open(case: Case, line: Installment) -> Node:
    facts: dict[str, Fact] = {"number": line.number, "date": line.due_on}
    return attrs.evolve(_release(case, line), name="installment_open", facts=facts, rule=rule(4))


def _release(case: Case, line: Installment) -> Node:
    """Return the shares that an installment releases, from the terms. Source: RULES.md section 4."""
    release, index = case.terms.release, line.number - 1
    if isinstance(release, PerUnit):
        amount = case.term("amount", f"lines.{index}.amount", line.amount, "money")
        rate = case.term("rate", "terms.release.rate", Fraction(release.rate), "rate")
        parts = constant("minor_units", 10 ** EXPONENTS[case.terms.price.currency], "count")
        return rounded_down("release", line.shares, (amount, rate), parts, section=4)
    if isinstance(release, Portion):
        until = [_portion(case, release, number) for number in (line.number, index)]
        return remainder("release", "shares", line.shares, until, section=4)
    return case.term("release", f"terms.release.shares.{index}", line.shares, "shares")


def _portion(case: Case, release: Portion, number: int) -> Node:
    """Return the shares that this many installments release together."""
    fraction = Fraction(release.fraction)
    factors = (
        case.term("fraction", "terms.release.fraction", fraction, "rate"),
        case.term("agreed_package", "terms.shares", case.terms.shares, "shares"),
        constant("count", number, "count"),
    )
    count = case.terms.installments
    parts = case.term("installments", "terms.installments", count, "count")
    node = rounded_down(
        "released_by_then", int(fraction * case.terms.shares * number // count), factors, parts, section=4
    )
    return attrs.evolve(node, facts={"number": number})
