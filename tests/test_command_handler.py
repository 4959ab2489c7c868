"""The handler: commands by the thousand, with plans kept at hand, decide as one command at a time does."""

from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Ledger, LedgerError, PlanIsCompleted, ReferenceConflict
from ledger.command_handler import Decided
from ledger.commands import ClosePlan, Command, Metadata, OpenPlan, RecordPayment, ReinstatePlan
from ledger.decide import decide
from ledger.events import PlanOpened
from tests.examples import OPENED_ON, open_plan, pay, usd
from tests.strategies import RECORDED_AT, changes, openings

NOTE = Metadata(recorded_at=RECORDED_AT)
HALF = settings(max_examples=max(1, settings().max_examples // 2))


@st.composite
def commands(draw: st.DrawFn) -> list[Command]:
    """Commands on up to three plans in turns: openings, changes, repetitions, closings, and some that are refused."""
    made: list[Command] = []
    opened: dict[str, PlanOpened] = {}
    paid: list[RecordPayment | ReinstatePlan] = []
    for number in range(draw(st.integers(1, 3))):
        opening = attrs.evolve(draw(openings()), plan_id=f"P-{number}")
        event = decide((), opening, NOTE)[0].event
        assert isinstance(event, PlanOpened)
        opened[opening.plan_id] = event
        made.append(opening)
    for number in range(draw(st.integers(0, 14))):
        plan_id = draw(st.sampled_from([*sorted(opened), "P-unknown"]))
        kind = draw(st.sampled_from(["change"] * 6 + ["again", "again", "close"]))
        if kind == "again":
            made.append(draw(st.sampled_from(made)))
        elif kind == "close":
            made.append(ClosePlan(plan_id=plan_id, through=draw(st.dates(date(2023, 1, 1), date(2026, 1, 1)))))
        else:
            command = draw(changes(opened.get(plan_id, opened["P-0"]), number, paid))
            made.append(attrs.evolve(command, plan_id=plan_id))
            if isinstance(command, (RecordPayment, ReinstatePlan)):
                paid.append(command)
    return made


def _told(decided: Decided) -> Any:
    """Return what a command came to, apart from the sequences, which depend on who came first."""
    if isinstance(decided, LedgerError):
        return type(decided), str(decided)
    return [attrs.evolve(event, sequence=0) for event in decided]


@HALF
@given(commands=commands(), keep=st.integers(0, 3), data=st.data())
def test_a_desk_decides_as_row_by_row(commands: list[Command], keep: int, data: st.DataObject) -> None:
    """The same commands, in chunks of any size and with any number of plans at hand: results, refusals, events."""
    with Ledger.open("memory://") as one_by_one, Ledger.open("memory://") as in_chunks:
        expected = [_told(one_by_one.execute_all([(command, NOTE)])[0]) for command in commands]
        handler, found, begin = in_chunks.command_handler(keep=keep), list[Any](), 0
        while begin < len(commands):
            size = data.draw(st.integers(1, len(commands) - begin))
            chunk = [(command, NOTE) for command in commands[begin : begin + size]]
            if data.draw(st.booleans()):
                previewed = [_told(decided) for decided in handler.execute(chunk, dry_run=True)]
                assert previewed == expected[begin : begin + size]
            found += [_told(decided) for decided in handler.execute(chunk)]
            begin += size
        assert found == expected
        assert [_told((event,)) for event in in_chunks.events()] == [_told((event,)) for event in one_by_one.events()]


@HALF
@given(commands=commands(), keep=st.integers(1, 3), data=st.data())
def test_two_desks_that_take_turns_notice_each_other(commands: list[Command], keep: int, data: st.DataObject) -> None:
    """Whichever handler executes a command, it is decided on the newest history, kept plans or not."""
    with Ledger.open("memory://") as one_by_one, Ledger.open("memory://") as shared:
        expected = [_told(one_by_one.execute_all([(command, NOTE)])[0]) for command in commands]
        desks = [shared.command_handler(keep=keep), shared.command_handler(keep=keep), shared.command_handler()]
        found = [_told(data.draw(st.sampled_from(desks)).execute([(command, NOTE)])[0]) for command in commands]
        assert found == expected
        assert [_told((event,)) for event in shared.events()] == [_told((event,)) for event in one_by_one.events()]


def _payment(reference: str, amount: str = "150.00", on: date = OPENED_ON) -> tuple[RecordPayment, Metadata]:
    command = RecordPayment(plan_id="P-1", reference=reference, amount=usd(amount), paid_at=on, kind="regular")
    return command, Metadata(recorded_at=datetime(2030, 1, 1, tzinfo=UTC))


def test_a_kept_plan_that_others_changed_is_loaded_again(ledger: Ledger) -> None:
    """Between two chunks somebody else pays: repetitions, conflicts and refusals are decided on what is there now."""
    handler = ledger.command_handler(keep=10)
    open_plan(ledger)
    assert len(handler.execute([_payment("bank-1")])) == 1
    pay(ledger, OPENED_ON, "bank-2")
    assert handler.execute([_payment("bank-2")]) == [()]
    pay(ledger, OPENED_ON, "bank-3")
    (conflict,) = handler.execute([_payment("bank-3", "1.00")])
    assert isinstance(conflict, ReferenceConflict)
    pay(ledger, OPENED_ON, "bank-4")
    ((first, *_), again) = handler.execute([_payment("bank-5"), _payment("bank-4")])  # type: ignore[misc]
    assert (first.key, first.version, again) == ("bank-5", ledger.history("P-1")[-1].version - 1, ())
    pay(ledger, OPENED_ON, "bank-6", amount="2250.00")
    (refused,) = handler.execute([_payment("bank-7")])
    assert isinstance(refused, PlanIsCompleted)
    assert ledger.position("P-1", as_of=OPENED_ON).outstanding.minor == 0
    assert ledger.verify().differences == ()


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_a_desk_keeps_no_more_plans_than_it_may(keep: int) -> None:
    """The plans used last stay at hand; a command that is only previewed sends all away."""
    with Ledger.open("memory://") as ledger:
        handler = ledger.command_handler(keep=keep)
        opened = [open_plan(ledger, f"P-{number}")[0] for number in range(3)]
        assert len(opened) == 3
        for number in (0, 1, 2, 0):
            command, metadata = _payment(f"bank-{number}-{len(handler._kept)}")
            handler.execute([(attrs.evolve(command, plan_id=f"P-{number}"), metadata)])
        assert list(handler._kept) == ["P-2", "P-0"][2 - keep :]
        handler.execute([_payment("bank-x")], dry_run=True)
        assert not handler._kept


def test_what_a_desk_opens_it_pays_on_in_the_same_chunk(ledger: Ledger) -> None:
    """A plan and its payments in one chunk, the plan again in the next: one history, loaded by nobody."""
    template = _payment("bank-1")[0]
    with Ledger.open("memory://") as other:
        opened = open_plan(other)[0].event
    assert isinstance(opened, PlanOpened)
    opening = OpenPlan(
        plan_id="P-1", investor=opened.investor, partner=opened.partner, terms=opened.terms, opened_at=OPENED_ON
    )
    metadata = _payment("bank-1")[1]
    handler = ledger.command_handler(keep=5)
    first = handler.execute([(opening, metadata), (template, metadata), (opening, metadata)])
    second = handler.execute([(template, metadata), _payment("bank-2")])
    assert [len(decided) > 0 for decided in (*first, *second) if isinstance(decided, tuple)] == [1, 1, 0, 0, 1]
    assert [event.version for event in ledger.history("P-1")] == [*range(1, len(ledger.history("P-1")) + 1)]
