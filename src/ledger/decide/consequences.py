"""The consequences of a fact for the record of a plan: voidings, then outcomes. Deciding and auditing ask for them."""

from collections.abc import Iterable, Sequence
from datetime import date

from ledger.decide.refusals import refuse, refuse_overpayment
from ledger.discrepancies import Discrepancy, discrepancies
from ledger.errors import CommandRefused
from ledger.events import Fact, Outcome, OutcomeVoided, PaymentMade, PaymentReversed, PlanReinstated
from ledger.events.outcomes import shares_of
from ledger.plan import Plan
from ledger.timeline import Derivation, steps


class Consequences:
    """The consequences of one fact after another for a plan, which the caller folds.

    A derivation is kept at the plan's latest day: a fact in the order of the days costs one step, only one that is
    recorded late a new derivation.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._derivation: Derivation | None = None

    def due(self, through: date) -> Sequence[Outcome]:
        """Return the outcomes that have come due by the end of a day and are not recorded. Raises `CorruptHistory`."""
        return self._derived(through=max(self._plan.horizon, through)).latest()[0]

    def of(
        self, fact: Fact, *, actor: str | None, refused: list[CommandRefused] | None = None
    ) -> Sequence[Outcome | OutcomeVoided]:
        """Return the voidings and outcomes that the record owes to a fact, the plan's next event.

        Raises `CommandRefused` for a fact that the rules forbid, and then nothing has changed; with a list `refused`
        the refusal is added to it, and the fact counts nevertheless. Raises `CorruptHistory` if the recorded outcomes
        do not follow from the recorded facts.
        """
        derivation = self._derived(through=fact.effective_on)
        never_made = isinstance(fact, PaymentReversed) and fact.cause == "error"
        if derivation.on > fact.effective_on or never_made:
            return self._derive_again(fact, actor, refused)
        return self._step(derivation, fact, actor, refused)

    def _step(
        self, derivation: Derivation, fact: Fact, actor: str | None, refused: list[CommandRefused] | None
    ) -> Sequence[Outcome | OutcomeVoided]:
        """Return the consequences of a fact in the order of the days: the derivation goes one step further."""
        plan, before = self._plan, derivation.snapshot()
        try:
            refuse(fact, plan, before, actor)
            if isinstance(fact, (PaymentMade, PlanReinstated)):
                refuse_overpayment(fact, plan, held=before.held + fact.amount.minor, on=fact.effective_on)
        except CommandRefused as error:
            _collect(error, refused)
        derivation.apply(fact)
        outcomes, ended = derivation.latest()
        changed = plan.changed(outcomes, ended)
        return corrections(discrepancies(changed, outcomes, ended), plan) if changed else outcomes

    def _derive_again(
        self, fact: Fact, actor: str | None, refused: list[CommandRefused] | None
    ) -> Sequence[Outcome | OutcomeVoided]:
        """Return the consequences of a fact that is recorded late: everything is derived again."""
        plan = self._plan
        before = Derivation.run(plan.opened, plan.facts, through=fact.effective_on)
        try:
            refuse(fact, plan, before.snapshot(), actor)
        except CommandRefused as error:
            _collect(error, refused)
        facts = [*plan.facts, fact]
        derivation = Derivation.run(plan.opened, facts, through=max(plan.horizon, fact.effective_on))
        derived = derivation.timeline()
        if isinstance(fact, (PaymentMade, PlanReinstated)):
            held, on = derived.most_held, derived.most_held_on
            if on < fact.effective_on:
                held, on = _most_held(plan, facts, since=fact.effective_on)
            try:
                refuse_overpayment(fact, plan, held=held, on=on)
            except CommandRefused as error:
                _collect(error, refused)
        derivation.latest()  # all of it is recorded with the fact
        self._derivation = derivation
        return corrections(discrepancies(plan.outcomes, derived.outcomes, derived.ended), plan)

    def _derived(self, *, through: date) -> Derivation:
        """Return the derivation at the end of a day, or of a later one up to which outcomes are recorded already.

        The first call finds out whether the recorded outcomes follow from the facts. Raises `CorruptHistory`.
        """
        plan, derivation = self._plan, self._derivation
        with plan.deriving():
            if derivation is None or derivation.on > max(through, plan.horizon):
                derivation = Derivation.run(plan.opened, plan.facts, through=plan.horizon)
                derivation.latest()  # all of it is recorded
                plan.check(derivation.timeline())
                self._derivation = derivation
            if derivation.on < through:
                derivation.advance(through)
        return derivation


def _most_held(plan: Plan, facts: Sequence[Fact], *, since: date) -> tuple[int, date]:
    """Return the largest sum of money held at the end of a day, from that of a fact on, and the first such day."""
    held: dict[date, int] = {}
    for fact, _, _, state in steps(plan.opened, facts, max(fact.effective_on for fact in facts)):
        if fact is not None and fact.effective_on >= since:
            held[fact.effective_on] = state.paid + state.unapplied
    on = max(held, key=held.__getitem__)
    return held[on], on


def _collect(error: CommandRefused, refused: list[CommandRefused] | None) -> None:
    if refused is None:
        raise error
    refused.append(error)


def corrections(found: Iterable[Discrepancy], plan: Plan) -> tuple[Outcome | OutcomeVoided, ...]:
    """Return the events that correct the record after a new fact, the plan's next event: voidings, then outcomes.

    A new outcome that has ended already is followed, after all others, by its own voiding.
    """
    fact = plan.version + 1

    def void(version: int, on: date, shares: int, by: PaymentReversed | None = None) -> OutcomeVoided:
        because = fact if by is None else plan.reversal_versions.get(by.reference, fact)
        return OutcomeVoided(on, version, shares, because)

    events: list[Outcome | OutcomeVoided] = []
    endings: list[OutcomeVoided] = []
    for discrepancy in found:
        item, until, shares = discrepancy.recorded, discrepancy.until, shares_of(discrepancy.outcome)
        if item is None:
            events.append(discrepancy.outcome)
            if until is not None:
                endings.append(void(fact + len(events), until, shares, discrepancy.ended_by))
            continue
        if item.void is not None:
            events.append(void(item.void.version, item.void.event.effective_on, -shares))
        if until is not None:
            events.append(void(item.version, until, shares, discrepancy.ended_by))
    return (*events, *endings)
