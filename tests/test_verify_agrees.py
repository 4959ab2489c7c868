"""verify.py and the audit of the library: two readers that share nothing say the same of the same events."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import KINDS, audit, verify
from ledger.audit.examination.commands import FACTS
from ledger.audit.examination.kinds import SECTIONS
from ledger.events import PaymentMade
from ledger.money import Money
from ledger.store import RawEvent, open_store
from ledger.terms import ExplicitSchedule, FullCover, PerUnit, PlanTerms
from tests.audits import audited, stored
from tests.plans import DAY, DUE, D, charge_back, pay, record, reinstate
from tests.planted import PLANTED, Planted, encoded, sound
from tests.strategies import History, histories, one_in

OF_THE_AUDIT = ("package_not_conserved", "money_not_conserved")
"""Findings that only the audit has: they follow from the outcomes, which both derive."""

Place = tuple[str, str | None, int | None]


def by_verify(events: Sequence[RawEvent]) -> set[Place]:
    """Return what verify.py finds in a plan: kind, plan, version."""
    lines = [verify.Stored(number, *event[1:]) for number, event in enumerate(events, 1)]
    return {(one.kind, one.plan_id, one.version) for one in verify.check_plan("P-1", lines, {})}


def by_audit(events: Sequence[RawEvent]) -> set[Place]:
    """Return what the audit finds in a plan."""
    found = audited(events).findings
    return {(one.kind, one.plan_id, one.version) for one in found if one.kind not in OF_THE_AUDIT}


def test_they_cite_the_same_rules() -> None:
    """Every kind is one of the library's; one that both know violates the same section or page."""
    assert verify.RULES.keys() <= KINDS.keys()
    for kind, rule in verify.RULES.items():
        cited = rule if isinstance(rule, str) else f"RULES.md section {rule}"
        assert SECTIONS.get(kind, cited) == cited, kind


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_both_name_a_planted_error(planted: Planted, tmp_path: Path) -> None:
    """The audit finds each error that verify.py finds, of the same kind in the same place, in no other streams."""
    events = planted.plant([*sound()])
    in_memory = planted.kind != "sequence_order"  # memory has a stream's events in the order in which they came
    with closing(open_store("memory://" if in_memory else f"sqlite:///{tmp_path}/books.db", "books")) as store:
        store.restore(events)
        found = audit(store, processes=1).findings
    assert (planted.kind, planted.stream, planted.version) in {
        (one.kind, one.plan_id or one.receipt, one.version) for one in found
    }


def test_without_an_opening_neither_accuses_an_instant() -> None:
    """In which zone a payment of P-1 late in the evening was made is not known where the opening cannot be read."""
    events = [one for one in sound() if one.stream_id == "P-1"]
    paid = json.loads(events[1].state)
    paid["event"]["paid_at"] = "2023-04-09T22:00:00Z"  # 1 o'clock in Moscow
    events[1] = events[1]._replace(state=encoded(paid))
    assert by_verify(events) == by_audit(events) == set()
    events[0] = events[0]._replace(state=b"{}")
    assert by_verify(events) == by_audit(events) == {("event_unreadable", "P-1", 1)}


@given(history=histories())
def test_neither_finds_anything_in_what_the_ledger_records(history: History) -> None:
    """A recorded history is clean to both."""
    events = stored(history.events)
    assert (by_verify(events), by_audit(events)) == (set(), set())


@pytest.mark.parametrize("late", [False, True])
def test_both_name_the_payment_with_which_too_much_stood_and_none_after_it(*, late: bool) -> None:
    """Too much stood until a chargeback: money dated later, recorded in time or late, is no overpayment."""
    in_time, at_last = pay(DUE[6] + DAY, "in time"), pay(DUE[6], "late")
    events = record(
        pay(D, "first", 6),
        pay(D + DAY, "too much", 4),
        charge_back(D + 5 * DAY, "too much"),
        in_time,
        *([at_last] if late else []),
    )
    at = next(number for number, one in enumerate(events) if one.key == "too much")
    paid = attrs.evolve(cast(Any, events[at].event), amount=Money(50_000, "USD"))
    edited = stored([*events[:at], attrs.evolve(events[at], event=paid), *events[at + 1 :]])
    assert by_verify(edited) == by_audit(edited) == {("overpayment", "P-1", events[at].version)}


def test_both_name_a_late_payment_with_which_too_much_stands_later() -> None:
    """More stood before its day, which is not its fault, and too much on a later day, which is."""
    events = record(
        pay(D, "first", 6),
        pay(D + DAY, "too much", 4),
        charge_back(D + 5 * DAY, "too much"),
        pay(DUE[6] + DAY, "in time", 3),
        pay(DUE[6], "late"),
    )
    amounts = {"too much": 90_000, "late": 10_001}
    edited = stored(
        attrs.evolve(one, event=attrs.evolve(cast(Any, one.event), amount=Money(amounts[one.key], "USD")))
        if one.key in amounts and isinstance(one.event, PaymentMade)
        else one
        for one in events
    )
    expected = {
        ("overpayment", "P-1", one.version)
        for one in events
        if one.key in amounts and isinstance(one.event, PaymentMade)
    }
    assert by_verify(edited) == by_audit(edited) == expected


def leaves(part: Any, path: Sequence[Any] = ()) -> Iterator[Sequence[Any]]:
    """Yield the paths of all values in JSON that are neither objects nor lists."""
    items = part.items() if isinstance(part, dict) else enumerate(part)
    for key, value in items:
        if isinstance(value, (dict, list)):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


WORDS = ("bank-1", "bank-0", "P-1", "x", "chargeback", "error", "closed", "2035-01-02T12:00:00Z")


@st.composite
def other_values(draw: st.DrawFn, value: Any) -> Any:
    """Another value in place of one: mostly one that could stand there."""
    if isinstance(value, int):
        return value + draw(st.sampled_from([-1, 1, 7]))
    if not isinstance(value, str):
        return draw(st.sampled_from(["x", 1, "I-1"]))
    try:
        return (date.fromisoformat(value) + timedelta(days=draw(st.sampled_from([-1, 1, 40])))).isoformat()
    except ValueError:
        return draw(st.sampled_from(WORDS))


def test_a_voiding_that_is_wrong_for_what_was_reported_before_ends_no_reading() -> None:
    """An earlier voiding was edited to void what a later one voids: the first is named, and the order is not judged."""
    days = [date(2023, 1, day) for day in (1, 2, 3, 4, 22)]
    terms = PlanTerms(
        price=Money(5, "USD"),
        shares=1_000,
        installments=5,
        release=PerUnit("0"),
        timezone="UTC",
        schedule=ExplicitSchedule(tuple((day, 1) for day in days)),
        reinstatement=FullCover(),
    )
    events = stored(
        record(
            reinstate(days[-1], minor=4 - 10_000),
            pay(date(2023, 1, 12), "bank-2", minor=1 - 10_000),
            charge_back(date(2023, 2, 21), "bank-9"),
            terms=terms,
            opened_on=days[0],
        )
    )
    edited = json.loads(events[14].state)
    assert edited["event"]["voids"] == 8
    edited["event"]["voids"] = 9
    events[14] = events[14]._replace(state=encoded(edited))
    versions = {version for _, _, version in by_verify(events)}
    assert versions & {version for _, _, version in by_audit(events)}


def test_an_outcome_that_was_moved_after_its_voiding_is_named() -> None:
    """Settled in February and charged back in the same month: dated in March it never held, and is named."""
    terms = PlanTerms(price=Money(50_000, "USD"), shares=1_000, installments=5, release=PerUnit("0"), timezone="UTC")
    events = stored(
        record(
            pay(date(2023, 1, 2), "bank-1", 2),
            charge_back(date(2023, 2, 16), "bank-1"),
            pay(date(2023, 1, 1), "bank-3"),
            pay(date(2023, 2, 2), "bank-4", 2),
            terms=terms,
            opened_on=date(2023, 1, 1),
        )
    )
    edited = json.loads(events[18].state)
    assert edited["event"]["effective_on"] == "2023-02-02"
    edited["event"]["effective_on"] = "2023-03-14"
    events[18] = events[18]._replace(state=encoded(edited))
    place = ("outcome_differs", "P-1", 19)
    assert place in by_verify(events)
    assert place in by_audit(events)


def test_a_decision_whose_effect_cannot_be_derived_ends_no_audit() -> None:
    """Fewer shares were written than the installments release: without another decision nothing can follow from it."""
    days = [date(2023, month, day) for month, day in ((1, 1), (1, 2), (1, 11), (3, 12), (3, 13), (3, 14))]
    terms = PlanTerms(
        price=Money(7, "USD"),
        shares=1_000,
        installments=6,
        release=PerUnit("100000/21"),
        timezone="UTC",
        schedule=ExplicitSchedule(tuple(zip(days, (1, 1, 1, 1, 2, 1), strict=True))),
        grace_days=0,
        reinstatement=FullCover(),
    )
    events = stored(
        record(
            reinstate(date(2023, 1, 2), "bank-1", minor=1 - 10_000),
            charge_back(date(2023, 4, 12), "bank-1"),
            pay(date(2023, 1, 1), "bank-3", minor=2 - 10_000),
            reinstate(date(2023, 3, 13), "bank-4", minor=2 - 10_000),
            reinstate(date(2023, 4, 13), "bank-5", minor=2 - 10_000, revised_shares=330),
            terms=terms,
            opened_on=days[0],
        )
    )
    index = max(number for number, event in enumerate(events) if event.tag == "plan_reinstated.v1")
    edited = json.loads(events[index].state)
    edited["event"]["revised_shares"] = 329
    events[index] = events[index]._replace(state=encoded(edited))
    place = ("reinstatement_forbidden", "P-1", index + 1)
    assert place in by_verify(events)
    assert place in by_audit(events)


@one_in(2)
@given(history=histories(), data=st.data())
def test_both_say_the_same_of_a_changed_history(history: History, data: st.DataObject) -> None:
    """Whatever value of whatever event is changed: both find nothing, or both name an event of one command.

    Its kind and version may differ where one change has several consequences, such as a voiding of another version.
    """
    events = stored(history.events)
    index = data.draw(st.integers(0, len(events) - 1))
    value = json.loads(events[index].state)
    *path, last = data.draw(st.sampled_from(list(leaves(value))))
    part = value
    for key in path:
        part = part[key]
    part[last] = data.draw(other_values(part[last]))
    events[index] = events[index]._replace(state=encoded(value))
    one, other = by_verify(events), by_audit(events)
    command: dict[int | None, int] = dict(
        enumerate(accumulate(isinstance(event.event, FACTS) for event in history.events), 1)
    )
    named = {command.get(version) for _, _, version in one} & {command.get(version) for _, _, version in other}
    assert named or not (one | other), (one, other)
