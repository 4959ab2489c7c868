"""The promotions of a plan, explained: each award from its base and its rate."""

from collections.abc import Iterable

import attrs

from ledger.audit.explain.case import Case
from ledger.audit.explain.tree import Fact, Node, Source, constant, rounded_down, total
from ledger.events.outcomes import PromoApplied
from ledger.terms import EarnedPromo
from ledger.terms.promos import Award

_WHOLE_BP = 10_000


def credited(case: Case) -> Node:
    """Return the bonus shares credited: at once when they were earned, and on completion."""
    awards = [*case.grounds.at_once]
    if case.state.status == "completed":
        awards += case.grounds.on_completion
    return total("bonus_credited", "shares", case.state.bonus_credited, _awards(case, awards), section=7)


def promised(case: Case) -> Node:
    """Return the bonus shares that completion on schedule would still credit; 0 unless the plan is active."""
    awards = case.grounds.on_completion if case.active else ()
    return total("bonus_promised", "shares", case.state.bonus_promised, _awards(case, awards), section=7)


def _awards(case: Case, awards: Iterable[Award]) -> list[Node]:
    nodes: list[Node] = []
    before: list[Node] = []
    for award in awards:
        on_package = not isinstance(award.promo, EarnedPromo)
        nodes.append(_award(case, award, before if on_package else [], identity=f"award-{len(nodes) + 1}"))
        if award in case.grounds.on_completion:
            before.append(nodes[-1])
    return nodes


def _award(case: Case, award: Award, before: Iterable[Node], *, identity: str) -> Node:
    """Return the shares of an award; `before` are the bonuses that a compounding one counts."""
    promo, index = award.promo, case.terms.promos.index(award.promo)
    rate = case.term("rate_bp", f"terms.promos.{index}.rate_bp", promo.rate_bp, "basis_points")
    base = _earned_base(case, award) if isinstance(promo, EarnedPromo) else _package_base(case, award, before)
    parts = constant("whole", _WHOLE_BP, "count")
    node = rounded_down("award", award.shares, (base, rate), parts, section=7)
    facts: dict[str, Fact] = {"code": promo.code}
    events = _credits(case, award)
    if isinstance(promo, EarnedPromo):
        facts["reference"] = award.payment
        events = (case.source(case.received(award.payment)), *events)
    return attrs.evolve(
        node, name="award_earned" if "reference" in facts else "award", id=identity, facts=facts, events=events
    )


def _credits(case: Case, award: Award) -> tuple[Source, ...]:
    """Return the outcome that credits an award, if it is credited."""
    found = (
        one
        for one in case.holding
        if isinstance(one, PromoApplied) and one.code == award.promo.code and one.payment == award.payment
    )
    return tuple(map(case.source, found))


def _package_base(case: Case, award: Award, before: Iterable[Node]) -> Node:
    """Return the shares that a bonus on the package counts: with the bonuses before it where they compound."""
    package = case.package()
    if award.base == package.value:
        return package
    others = [
        Node(name="award", value=one.value, unit="shares", operation="same", field=one.id, facts=one.facts)
        for one in before
    ]
    return total("compounded", "shares", award.base, (package, *others), section=7)


def _earned_base(case: Case, award: Award) -> Node:
    """Return the shares that the extra installments of a payment count: released by them, or the package for each."""
    if isinstance(award.promo, EarnedPromo) and award.promo.base == "released":
        lines = [case.state.lines[number - 1] for number in award.installments]
        leaves = [
            attrs.evolve(
                case.term("released", f"lines.{line.number - 1}.shares", line.shares, "shares"),
                facts={"number": line.number},
            )
            for line in lines
        ]
        return leaves[0] if len(leaves) == 1 else total("extra", "shares", award.base, leaves, section=7)
    package = case.package(earned_by=award.payment)
    count = len(award.installments)
    if count == 1:
        return package
    children = package, constant("extra_installments", count, "count")
    return Node(name="extra", value=award.base, unit="shares", operation="product", children=children)
