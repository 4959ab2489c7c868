"""The command handler: batches and groups of commands, with deciders kept, decide as one command at a time does."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, cast

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import Ledger, LedgerError, Overpayment, PlanIsCompleted, PlanNotFound, ReferenceConflict
from ledger.command_handler import CommandHandler, Decided, DecidedGroup, Group, UnitOfWork
from ledger.commands import ClosePlan, Command, Metadata, OpenPlan, RecordPayment, ReinstatePlan
from ledger.decide import decide
from ledger.events import PaymentMade, PaymentMissed, PlanCancelled, PlanOpened, RecordedEvent
from ledger.events.recorded import PLAN, Stream
from ledger.service import utc_now
from tests.examples import OPENED_ON, open_plan, pay, usd
from tests.examples import RECORDED_AT as PAID_AT
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


def _ledger() -> Ledger:
    return Ledger.open("memory://", clock=lambda: RECORDED_AT)


def _result(decided: Decided) -> Any:
    """Return the events or the refusal of a command, without the sequences, which depend on who came first."""
    if isinstance(decided, LedgerError):
        return type(decided), str(decided)
    return [attrs.evolve(event, sequence=0) for event in decided]


@HALF
@given(commands=commands(), keep=st.integers(0, 3), data=st.data())
def test_a_batch_decides_as_command_by_command(commands: list[Command], keep: int, data: st.DataObject) -> None:
    """The same commands, in batches of any size and with any number of kept deciders: results, refusals, events."""
    with (
        _ledger() as one_by_one,
        _ledger() as in_batches,
    ):
        expected = [_result(one_by_one.execute_all([(command, NOTE)])[0]) for command in commands]
        handler, found, begin = in_batches.command_handler(keep=keep), list[Any](), 0
        while begin < len(commands):
            size = data.draw(st.integers(1, len(commands) - begin))
            batch = [(command, NOTE) for command in commands[begin : begin + size]]
            if data.draw(st.booleans()):
                previewed = [_result(decided) for decided in handler.execute(batch, dry_run=True)]
                assert previewed == expected[begin : begin + size]
            found += [_result(decided) for decided in handler.execute(batch)]
            begin += size
        assert found == expected
        assert [_result((event,)) for event in in_batches.events()] == [
            _result((event,)) for event in one_by_one.events()
        ]


@HALF
@given(commands=commands(), keep=st.integers(1, 3), data=st.data())
def test_handlers_that_take_turns_notice_each_other(commands: list[Command], keep: int, data: st.DataObject) -> None:
    """Whichever handler executes a command, it is decided on the newest history, kept plans or not."""
    with (
        _ledger() as one_by_one,
        _ledger() as shared,
    ):
        expected = [_result(one_by_one.execute_all([(command, NOTE)])[0]) for command in commands]
        handlers = [shared.command_handler(keep=keep), shared.command_handler(keep=keep), shared.command_handler()]
        found = [_result(data.draw(st.sampled_from(handlers)).execute([(command, NOTE)])[0]) for command in commands]
        assert found == expected
        assert [_result((event,)) for event in shared.events()] == [_result((event,)) for event in one_by_one.events()]


def _payment(
    reference: str, amount: str = "150.00", on: date = OPENED_ON, *, plan_id: str = "P-1"
) -> tuple[RecordPayment, Metadata]:
    command = RecordPayment(plan_id=plan_id, reference=reference, amount=usd(amount), paid_at=on, kind="regular")
    return command, Metadata(recorded_at=PAID_AT)


def test_a_kept_plan_that_others_changed_is_loaded_again(ledger: Ledger) -> None:
    """Between two batches somebody else pays: repetitions, conflicts and refusals are decided on what is there now."""
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
def test_a_handler_keeps_no_more_plans_than_it_may(keep: int) -> None:
    """The plans used last are kept; a dry run drops all."""
    with _ledger() as ledger:
        handler = ledger.command_handler(keep=keep)
        opened = [open_plan(ledger, f"P-{number}")[0] for number in range(3)]
        assert len(opened) == 3
        for number in (0, 1, 2, 0):
            command, metadata = _payment(f"bank-{number}-{len(handler._kept)}")
            handler.execute([(attrs.evolve(command, plan_id=f"P-{number}"), metadata)])
        assert [stream.id for stream in handler._kept] == ["P-2", "P-0"][2 - keep :]
        handler.execute([_payment("bank-x")], dry_run=True)
        assert not handler._kept


def test_a_repeated_batch_loads_a_plan_only_if_somebody_wrote(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept plans answer repetitions and refusals while the last sequence is ours, and are loaded after other writes."""
    open_plan(ledger)
    handler, loads = ledger.command_handler(keep=5), list[str]()
    load = UnitOfWork._history

    def counted(self: UnitOfWork, stream: Stream) -> Sequence[RecordedEvent]:
        loads.append(stream.id)
        return load(self, stream)

    monkeypatch.setattr(UnitOfWork, "_history", counted)
    other = attrs.evolve(_payment("bank-1")[0], amount=usd("1.00"))
    for _ in range(3):
        handler.execute([_payment("bank-1")])
        (refused,) = handler.execute([(other, _payment("bank-1")[1])])
        assert isinstance(refused, ReferenceConflict)
    assert loads == ["P-1"]
    open_plan(ledger, "P-2")
    for _ in range(3):
        assert handler.execute([_payment("bank-1")]) == [()]
    assert loads == ["P-1", "P-2", "P-1"]


def test_a_handler_keeps_no_more_events_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long histories leave the memory before the number of plans is reached; the latest stays."""
    monkeypatch.setattr("ledger.command_handler._EVENTS_KEPT", 10)
    with _ledger() as ledger:
        handler = ledger.command_handler(keep=100)
        for number in range(6):
            open_plan(ledger, f"P-{number}")
            for reference in ("bank-1", "bank-2"):
                command, metadata = _payment(reference)
                handler.execute([(attrs.evolve(command, plan_id=f"P-{number}"), metadata)])
            assert sum(decider.version for decider in handler._kept.values()) <= 10
            assert Stream(PLAN, f"P-{number}") in handler._kept


def test_a_plan_is_opened_and_paid_in_one_batch(ledger: Ledger) -> None:
    """A plan and its payments in one batch, the plan again in the next: one history, loaded by nobody."""
    template = _payment("bank-1")[0]
    with _ledger() as other:
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


# ---- groups: all or none


def _group_result(decided: DecidedGroup) -> Any:
    return _result(decided) if isinstance(decided, LedgerError) else [_result(events) for events in decided]


def _one_after_another(groups: Sequence[Group]) -> tuple[list[Any], dict[str, list[RecordedEvent]]]:
    """Return the results of groups and the events of the plans, by deciding on plain histories."""
    histories: dict[str, list[RecordedEvent]] = {}
    results: list[Any] = []
    for group in groups:
        after, decided = {plan_id: [*history] for plan_id, history in histories.items()}, []
        try:
            for command, metadata in group:
                assert isinstance(command, Command)
                history = after.setdefault(command.plan_id, [])
                decided.append(decide(history, command, metadata))
                history += decided[-1]
        except LedgerError as error:
            results.append(_result(error))
        else:
            results.append([_result(events) for events in decided])
            histories = {plan_id: history for plan_id, history in after.items() if history}
    return results, histories


@HALF
@given(commands=commands(), keep=st.integers(0, 3), data=st.data())
def test_groups_in_batches_are_groups_one_after_another(
    commands: list[Command], keep: int, data: st.DataObject
) -> None:
    """Whatever is grouped, batched and kept, by handlers in turns: all of a group is recorded, or none."""
    pending = [(command, NOTE) for command in commands]
    groups: list[Group] = []
    while pending:
        size = data.draw(st.integers(1, 5))
        groups.append(pending[:size])
        pending = pending[size:]
    expected, histories = _one_after_another(groups)
    with _ledger() as ledger:
        handlers = [ledger.command_handler(keep=keep), ledger.command_handler(keep=keep)]
        found: list[Any] = []
        while len(found) < len(groups):
            batch = groups[len(found) : len(found) + data.draw(st.integers(1, len(groups)))]
            handler = data.draw(st.sampled_from(handlers))
            if data.draw(st.integers(0, 4)) == 0:
                previewed = handler.execute_groups(batch, dry_run=True)
                assert [_group_result(decided) for decided in previewed] == expected[len(found) :][: len(batch)]
            found += [_group_result(decided) for decided in handler.execute_groups(batch)]
        assert found == expected
        assert {plan_id: _result(ledger.history(plan_id)) for plan_id in histories} == histories
        assert len(list(ledger.events())) == sum(map(len, histories.values()))


def test_a_group_over_two_plans_is_recorded_as_a_whole(ledger: Ledger) -> None:
    """Both plans are paid in one act, and each command's events are returned with their sequences."""
    open_plan(ledger, "P-1")
    open_plan(ledger, "P-2")
    group = [_payment("bank-1"), _payment("bank-2", plan_id="P-2")]
    (decided,) = ledger.command_handler().execute_groups([group])
    assert not isinstance(decided, LedgerError)
    assert [events[0].plan_id for events in decided] == ["P-1", "P-2"]
    assert [event for events in decided for event in events] == list(ledger.events(after=2))


@pytest.mark.parametrize("keep", [0, 5])
def test_a_group_refused_in_the_middle_leaves_nothing_behind(ledger: Ledger, keep: int) -> None:
    """Of a larger batch the other groups are recorded, on the same plans before and after, kept or loaded."""
    handler = ledger.command_handler(keep=keep)
    open_plan(ledger, "P-1")
    open_plan(ledger, "P-2")
    handler.execute([_payment("bank-1"), _payment("bank-1", plan_id="P-2")])
    refused = [_payment("bank-3"), _payment("bank-3", "9000.00", plan_id="P-2"), _payment("bank-4")]
    batch: list[Group] = [
        [_payment("bank-2")],
        refused,
        [_payment("bank-3"), _payment("bank-3", plan_id="P-2")],
        [_payment("bank-9", plan_id="P-unknown"), _payment("bank-4")],
        [_payment("bank-4")],
    ]
    before, error, after, unknown, last = handler.execute_groups(batch)
    assert isinstance(error, Overpayment)
    assert isinstance(unknown, PlanNotFound)
    assert [type(decided) for decided in (before, after, last)] == [list] * 3
    paid = {
        plan_id: [event.key for event in ledger.history(plan_id) if isinstance(event.event, PaymentMade)]
        for plan_id in ("P-1", "P-2")
    }
    assert paid == {"P-1": ["bank-1", "bank-2", "bank-3", "bank-4"], "P-2": ["bank-1", "bank-3"]}
    (again,) = handler.execute_groups([refused])
    assert isinstance(again, ReferenceConflict)  # bank-3 is recorded with another amount now
    assert ledger.verify().differences == ()


class _Meddling:
    """The store of a ledger in which, at chosen readings of a plan, somebody else pays first."""

    def __init__(self, ledger: Ledger, *, at: set[int]) -> None:
        self._ledger, self._store, self._at, self.readings = ledger, ledger._store, at, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def history(self, plan_id: str, *, kind: str) -> list[RecordedEvent]:
        self.readings += 1
        if self.readings in self._at:
            pay(self._ledger, OPENED_ON, f"other-{self.readings}", plan_id=plan_id)
        return self._store.history(plan_id, kind=kind)


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_plan_that_others_change_under_a_refused_group_is_decided_again(ledger: Ledger, *, dry_run: bool) -> None:
    """After a refused group its plan is read again; if others wrote meanwhile, the whole batch is."""
    open_plan(ledger)
    store = _Meddling(ledger, at={2})
    handler = CommandHandler(cast(Any, store), clock=utc_now, keep=5)
    batch: list[Group] = [
        [_payment("bank-1")],
        [_payment("bank-2"), _payment("bank-3", "9000.00")],
        [_payment("bank-4")],
    ]
    first, refused, last = handler.execute_groups(batch, dry_run=dry_run)
    assert isinstance(refused, Overpayment)
    assert not isinstance(first, LedgerError)
    assert not isinstance(last, LedgerError)
    assert [events[0].version for events in (*first, *last)] == [4, 6]
    paid = [event.key for event in ledger.history("P-1") if isinstance(event.event, PaymentMade)]
    assert paid == ["other-2", *([] if dry_run else ["bank-1", "bank-4"])]
    assert store.readings == 4


def test_a_group_is_not_refused_by_a_kept_decider_that_others_have_overtaken(ledger: Ledger) -> None:
    """Even if it has decided an event before its refusal: with the group refused, no append would tell."""
    handler = ledger.command_handler(keep=5)
    open_plan(ledger)
    handler.execute([_payment("bank-1", "2850.00")])
    ledger.reverse_payment("P-1", reference="bank-1", cause="error", recorded_at=PAID_AT)
    (decided,) = handler.execute_groups([[_payment("bank-2"), _payment("bank-3", "2850.00")]])
    assert not isinstance(decided, LedgerError)
    assert ledger.position("P-1", as_of=OPENED_ON).status == "completed"


def test_a_kept_decider_that_finds_nothing_is_not_believed(ledger: Ledger) -> None:
    """A closing by itself or in a group: a plan that others charged back since its completion is read again."""
    handler = ledger.command_handler(keep=5)
    for plan_id in ("P-1", "P-2", "P-3"):
        open_plan(ledger, plan_id)
        handler.execute([_payment("bank-1", "3000.00", plan_id=plan_id)])
        if plan_id != "P-3":
            ledger.reverse_payment(plan_id, reference="bank-1", cause="chargeback", on=OPENED_ON, recorded_at=PAID_AT)
    through = OPENED_ON + timedelta(days=20)
    closings = {plan_id: (ClosePlan(plan_id=plan_id, through=through), Metadata()) for plan_id in ("P-1", "P-2", "P-3")}
    single, grouped = handler.execute_groups([[closings["P-1"]], [closings["P-2"], closings["P-3"]]])
    assert not isinstance(single, LedgerError)
    assert not isinstance(grouped, LedgerError)
    assert [[type(event.event) for event in events] for events in (*single, *grouped)] == [
        [PaymentMissed, PlanCancelled],
        [PaymentMissed, PlanCancelled],
        [],
    ]


def test_atomic_commands_are_recorded_together_or_not_at_all(ledger: Ledger) -> None:
    """`execute_all(…, atomic=True)`: one refused, none recorded, and its error is raised; a dry run the same."""
    open_plan(ledger, "P-1")
    open_plan(ledger, "P-2")
    good, bad = _payment("bank-1"), _payment("bank-1", "9000.00", plan_id="P-2")
    for dry_run in (True, False):
        with pytest.raises(Overpayment, match="Plan P-2"):
            ledger.execute_all([good, bad], atomic=True, dry_run=dry_run)
    assert [event.key for event in ledger.events()] == ["P-1", "P-2"]
    pair = [good, _payment("bank-1", plan_id="P-2")]
    previewed = ledger.execute_all(pair, atomic=True, dry_run=True)
    recorded = ledger.execute_all(pair, atomic=True)
    assert [_result(decided) for decided in previewed] == [_result(decided) for decided in recorded]
    assert ledger.execute_all(pair, atomic=True) == [(), ()]
    assert ledger.execute_all([], atomic=True) == []
    assert isinstance(ledger.execute_all([good, bad])[1], ReferenceConflict)
