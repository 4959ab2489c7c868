"""A random service: commands, repetitions, closings and queries in any order, against the reference model."""

from datetime import date, timedelta
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from ledger import Ledger, LedgerError, ReferenceConflict
from ledger.audit import verify as reference_model
from ledger.commands import Change, Metadata, OpenPlan, RecordPayment, ReinstatePlan
from ledger.events import PlanOpened
from ledger.plan import Plan
from tests.reference_words import facts_of, terms_of
from tests.strategies import RECORDED_AT, changes, one_in, openings


class Service(RuleBasedStateMachine):
    """Up to three plans in one ledger: accepted commands are repeated, and all queries are checked again and again."""

    accepted = Bundle("accepted")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger.open("memory://", clock=lambda: RECORDED_AT)
        self.opened: dict[str, PlanOpened] = {}
        self.paid: dict[str, list[RecordPayment | ReinstatePlan]] = {}
        self.seconds = 0

    def teardown(self) -> None:
        self.ledger.close()

    def _metadata(self) -> Metadata:
        self.seconds += 1
        return Metadata(recorded_at=RECORDED_AT + timedelta(seconds=self.seconds))

    def _execute(self, command: Change | OpenPlan, *, dry_run: bool = False) -> Any:
        (decided,) = self.ledger.execute_all([(command, self._metadata())], dry_run=dry_run)
        return decided

    @initialize(opening=openings())
    def open_first(self, opening: OpenPlan) -> None:
        self._open(opening, "P-1")

    @rule(opening=openings(), number=st.integers(2, 3))
    def open_another(self, opening: OpenPlan, number: int) -> None:
        self._open(opening, f"P-{number}")

    def _open(self, opening: OpenPlan, plan_id: str) -> None:
        decided = self._execute(attrs.evolve(opening, plan_id=plan_id))
        if plan_id in self.opened:
            assert decided == () or isinstance(decided, ReferenceConflict)
        else:
            event = decided[0].event
            assert isinstance(event, PlanOpened)
            self.opened[plan_id], self.paid[plan_id] = event, []

    @rule(target=accepted, data=st.data())
    def change(self, data: st.DataObject) -> Any:
        plan_id = data.draw(st.sampled_from(sorted(self.opened)))
        number = self.seconds
        command = attrs.evolve(data.draw(changes(self.opened[plan_id], number, self.paid[plan_id])), plan_id=plan_id)
        dry = self._execute(command, dry_run=True)
        decided = self._execute(command)
        if isinstance(decided, LedgerError):
            assert (type(decided), str(decided)) == (type(dry), str(dry))
            return multiple()
        assert [event.event for event in decided] == [event.event for event in dry]
        if isinstance(command, (RecordPayment, ReinstatePlan)) and decided:
            self.paid[plan_id].append(command)
        return command

    @rule(command=accepted)
    def repeat(self, command: Change) -> None:
        before = self.ledger._store.last_sequence()
        assert self._execute(command) == ()
        assert self.ledger._store.last_sequence() == before

    @rule(command=consumes(accepted))
    def repeat_with_other_content(self, command: Change) -> None:
        if isinstance(command, RecordPayment):
            more = attrs.evolve(command.amount, minor=command.amount.minor + 1)
            error = self._execute(attrs.evolve(command, amount=more))
            assert isinstance(error, ReferenceConflict)
            assert error.field == "amount"

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        through = data.draw(st.dates(date(2023, 1, 1), date(2027, 1, 1)))
        asked = data.draw(st.dates(date(2023, 1, 1), date(2027, 1, 1)))
        before = self.ledger.positions(as_of=asked)
        self.ledger.close_books(through=through)
        assert self.ledger.positions(as_of=asked) == before
        assert self.ledger.close_books(through=through) == ()

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        as_of = data.draw(st.dates(date(2023, 1, 1), date(2027, 1, 1)))
        from_read_model, from_replay = (
            (
                self.ledger.overdue(as_of=as_of, known_at=known_at),
                self.ledger.balances(as_of=as_of, known_at=known_at),
                self.ledger.portfolio(as_of=as_of, known_at=known_at),
            )
            for known_at in (None, RECORDED_AT + timedelta(days=1))
        )
        assert from_read_model == from_replay
        for position in self.ledger.positions(as_of=as_of):
            facts, opened = facts_of(self.ledger.history(position.plan_id)), self.opened[position.plan_id]
            report = reference_model.derive(terms_of(opened), opened.effective_on, facts, as_of)
            assert (position.status, position.shares_credited, position.bonus_credited, position.bonus_promised) == (
                report.status,
                report.shares_credited,
                report.bonus_credited,
                report.bonus_promised,
            )

    @invariant()
    def recorded_outcomes_follow_from_the_facts(self) -> None:
        for plan_id in self.opened:
            plan = Plan(self.ledger.history(plan_id))
            plan.check(plan.timeline(plan.horizon))

    @invariant()
    def shares_and_money_are_conserved(self) -> None:
        for position in self.ledger.positions(as_of=date(2025, 1, 1)):
            terms = self.opened[position.plan_id].terms
            held = position.shares_credited + position.shares_promised + position.shares_forfeited
            assert held == terms.shares
            assert position.paid.minor + position.outstanding.minor == terms.price.minor


TestService = Service.TestCase
TestService.settings = settings(one_in(3), stateful_step_count=30)
