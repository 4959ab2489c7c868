"""Planted errors: a small ledger, and the ways in which somebody who can write bytes can make it wrong.

The ledger holds the golden plans P-1 to P-3, and P-4 with a receipt from which a payment was allocated, taken back and
allocated again. An error edits stored events; `kind`, stream and version are those of the finding that names it.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import attrs

from ledger import Ledger
from ledger.events import PLAN
from ledger.store import RawEvent
from tests.examples import open_plan, usd
from tests.test_golden import golden_history

Events = list[RawEvent]
RECORDED_AT = datetime(2025, 6, 2, 12, tzinfo=UTC)


@cache
def sound() -> Sequence[RawEvent]:
    """Return the events of the ledger before anything is planted."""
    golden = [RawEvent(0, PLAN, *stored) for stored in golden_history(PLAN)]
    with Ledger.open("memory://", clock=lambda: RECORDED_AT) as ledger:
        open_plan(ledger, "P-4")
        ledger.receive_unallocated(
            "bank-77",
            amount=usd("300.00"),
            received_at=date(2023, 4, 20),
            plan_id="P-9",
            code="plan_not_found",
            reason="no such plan",
        )
        first, second = usd("100.00"), usd("200.00")
        ledger.allocate("bank-77", plan_id="P-4", amount=first, payment_reference="bank-77-a")
        ledger.reverse_allocation("bank-77", plan_id="P-4", payment_reference="bank-77-a")
        ledger.allocate("bank-77", plan_id="P-4", amount=second, payment_reference="bank-77-b")
        ledger.return_unallocated(
            "bank-77", amount=first, on=date(2023, 6, 1), reason="sent back", return_reference="out-1"
        )
        added = ledger._store.raw_events(after=0, limit=1_000)
    return [one._replace(sequence=rank) for rank, one in enumerate((*golden, *added), 1)]


@attrs.frozen
class Planted:
    """An error: how it is planted, and the finding that names it."""

    name: str
    plant: Callable[[Events], Events]
    kind: str
    stream: str | None
    version: int | None


# ---- edits


def at(events: Events, stream: str, version: int) -> int:
    """Return the index of an event."""
    return next(index for index, one in enumerate(events) if (one.stream_id, one.version) == (stream, version))


def encoded(value: Any) -> bytes:
    """Return the canonical bytes of a value, as somebody writes them who knows the form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def state(stream: str, version: int, change: Callable[[Any], object]) -> Callable[[Events], Events]:
    """Change the value that an event is stored as."""

    def plant(events: Events) -> Events:
        index = at(events, stream, version)
        value = json.loads(events[index].state)
        change(value)
        events[index] = events[index]._replace(state=encoded(value))
        return events

    return plant


def event(stream: str, version: int, **fields: object) -> Callable[[Events], Events]:
    """Change fields of an event."""
    return state(stream, version, lambda value: value["event"].update(fields))


def terms(stream: str, **fields: object) -> Callable[[Events], Events]:
    """Change terms of an opening."""
    return state(stream, 1, lambda value: value["event"]["terms"].update(fields))


def line(stream: str, number: int, **fields: object) -> Callable[[Events], Events]:
    """Change a line of an opening's schedule."""
    return state(stream, 1, lambda value: value["event"]["lines"][number - 1].update(fields))


def envelope(stream: str, version: int, **fields: object) -> Callable[[Events], Events]:
    """Change what is recorded with an event."""
    return state(stream, version, lambda value: value.update(fields))


def column(stream: str, version: int, /, **columns: Any) -> Callable[[Events], Events]:
    """Change columns of an event."""

    def plant(events: Events) -> Events:
        index = at(events, stream, version)
        events[index] = events[index]._replace(**columns)
        return events

    return plant


def removed(stream: str, version: int) -> Callable[[Events], Events]:
    """Remove an event and leave a gap."""
    return lambda events: [one for one in events if (one.stream_id, one.version) != (stream, version)]


def cut(stream: str, version: int) -> Callable[[Events], Events]:
    """Remove an event and close the gap: later versions move up, and what refers to them follows."""

    def plant(events: Events) -> Events:
        return [
            _moved(one, version, -1) if one.stream_id == stream and one.version > version else one
            for one in events
            if (one.stream_id, one.version) != (stream, version)
        ]

    return plant


def added(stream: str, version: int, tag: str, key: str, **fields: object) -> Callable[[Events], Events]:
    """Add an event as this version, with the envelope of the one before it; later versions move down."""

    def plant(events: Events) -> Events:
        index = at(events, stream, version - 1)
        value = {**json.loads(events[index].state), "event": fields, "key": key}
        new = RawEvent(0, events[index].kind, stream, version, tag, encoded(value))
        moved = [
            _moved(one, version - 1, 1) if one.stream_id == stream and one.version >= version else one for one in events
        ]
        return [*moved[: index + 1], new, *moved[index + 1 :]]

    return plant


def _moved(one: RawEvent, after: int, by: int) -> RawEvent:
    value = json.loads(one.state)
    for name in ("voids", "because"):
        if value["event"].get(name, 0) > after:
            value["event"][name] += by
    return one._replace(version=one.version + by, state=encoded(value))


def swapped(stream: str, version: int) -> Callable[[Events], Events]:
    """Let two neighbours change places in their stream, with all but their versions."""

    def plant(events: Events) -> Events:
        first, second = at(events, stream, version), at(events, stream, version + 1)
        one, other = events[first], events[second]
        events[first] = other._replace(version=version)
        events[second] = one._replace(version=version + 1)
        return events

    return plant


def replaced(stream: str, version: int, before: bytes, after: bytes) -> Callable[[Events], Events]:
    """Replace bytes."""

    def plant(events: Events) -> Events:
        index = at(events, stream, version)
        assert before in events[index].state
        events[index] = events[index]._replace(state=events[index].state.replace(before, after))
        return events

    return plant


def _later(events: Events) -> Events:
    """Let version 2 of P-2 come after version 3 in the order of the ledger."""
    index = at(events, "P-2", 2)
    events[index], events[index + 1] = events[index + 1], events[index]
    return events


def _renamed(events: Events) -> Events:
    """Give P-3 an id of two lines, as if it had been opened under it."""
    opening = at(events, "P-3", 1)
    value = {**json.loads(events[opening].state), "key": "P\n3"}
    events[opening] = events[opening]._replace(state=encoded(value))
    return [one._replace(stream_id="P\n3") if one.stream_id == "P-3" else one for one in events]


PAID = {"amount": {"currency": "JPY", "minor": 1}, "effective_on": "2024-03-31", "kind": "regular", "paid_at": None}
SETTLED = {"effective_on": "2023-05-26", "number": 3, "payment": "bank-2", "shares": 964}

PLANTED = (
    # ---- bytes
    Planted("no UTF-8", replaced("P-1", 3, b"964", b"96\xff"), "event_unreadable", "P-1", 3),
    Planted("cut off", replaced("P-1", 3, b'"}', b""), "event_unreadable", "P-1", 3),
    Planted("a space", replaced("P-1", 3, b'"shares":964', b'"shares": 964'), "event_not_canonical", "P-1", 3),
    Planted("a key twice", replaced("P-1", 3, b'"shares"', b'"shares":1,"shares"'), "event_not_canonical", "P-1", 3),
    Planted("a field more", event("P-1", 3, note="x"), "event_not_canonical", "P-1", 3),
    Planted("a field less", state("P-1", 3, lambda value: value["event"].pop("shares")), "event_unreadable", "P-1", 3),
    Planted("text for a number", event("P-1", 3, shares="964"), "event_unreadable", "P-1", 3),
    Planted("a float", replaced("P-1", 3, b"964", b"964.0"), "event_unreadable", "P-1", 3),
    Planted("negative shares", event("P-1", 3, shares=-964), "event_unreadable", "P-1", 3),
    Planted(
        "a negative amount", event("P-1", 2, amount={"currency": "USD", "minor": -1}), "event_unreadable", "P-1", 2
    ),
    Planted(
        "an unknown currency", event("P-1", 2, amount={"currency": "USX", "minor": 1}), "event_unreadable", "P-1", 2
    ),
    Planted(
        "an instant in another form",
        envelope("P-2", 2, recorded_at="2023-05-01T12:00:00+00:00"),
        "event_not_canonical",
        "P-2",
        2,
    ),
    Planted(
        "a rate not in lowest terms",
        terms("P-1", release={"kind": "per_unit", "rate": "90/14"}),
        "event_unreadable",
        "P-1",
        1,
    ),
    Planted("lines that miss the price", line("P-1", 2, amount=14_999), "event_unreadable", "P-1", 1),
    Planted(
        "a later version of an event", column("P-2", 9, tag="promo_applied.v2"), "event_of_newer_version", "P-2", 9
    ),
    Planted("an unknown promotion", terms("P-2", promos=[{"kind": "raffle"}]), "event_of_newer_version", "P-2", 1),
    Planted("another tag", column("P-2", 4, tag="installment_settled.v1"), "event_unreadable", "P-2", 4),
    Planted("an unknown kind of stream", column("P-4", 1, kind="bond"), "stream_unknown", None, None),
    Planted("a version before the first", column("P-3", 15, version=0), "event_unreadable", "P-3", 0),
    Planted("an id of two lines", _renamed, "stream_unknown", "P\n3", 1),
    # ---- order
    Planted("a version far away", column("P-3", 18, version=2**62), "version_gap", "P-3", 18),
    Planted("a removed outcome", removed("P-1", 4), "version_gap", "P-1", 4),
    Planted("a removed opening", removed("P-3", 1), "version_gap", "P-3", 1),
    Planted("a removed reception", removed("bank-77", 1), "version_gap", "bank-77", 1),
    Planted("another order in the ledger", _later, "sequence_order", "P-2", 3),
    Planted("recorded earlier", envelope("P-3", 7, recorded_at="2024-03-01T12:00:00Z"), "time_decreasing", "P-3", 7),
    Planted("no opening", cut("P-2", 1), "opening_misplaced", "P-2", 1),
    Planted(
        "a receipt's event in a plan",
        added(
            "P-2",
            3,
            "money_returned.v1",
            "x",
            effective_on="2023-05-01",
            reference="x",
            reason="x",
            amount={"currency": "USD", "minor": 1},
        ),
        "opening_misplaced",
        "P-2",
        3,
    ),
    # ---- envelopes
    Planted("another key of a payment", envelope("P-2", 2, key="z"), "key_mismatch", "P-2", 2),
    Planted("another key of an outcome", envelope("P-2", 5, key="z"), "key_mismatch", "P-2", 5),
    Planted("another key of the opening", envelope("P-2", 1, key="P-1"), "key_mismatch", "P-2", 1),
    Planted("another actor of an outcome", envelope("P-2", 5, actor="mallory"), "command_split", "P-2", 5),
    # ---- facts
    Planted("dated ahead", event("P-3", 15, effective_on="2024-04-02"), "dated_ahead", "P-3", 15),
    Planted("closed ahead", envelope("P-3", 2, key="2024-03-03"), "dated_ahead", "P-3", 2),
    Planted("before the opening", event("P-2", 2, effective_on="2023-04-19"), "dated_before_opening", "P-2", 2),
    Planted("not the day of its instant", event("P-1", 2, paid_at="2023-04-10T21:00:00Z"), "date_mismatch", "P-1", 2),
    Planted(
        "recorded at the end of time",
        envelope("P-3", 15, recorded_at="9999-12-31T23:59:59Z"),
        "date_mismatch",
        "P-3",
        15,
    ),
    Planted(
        "closed at the end of time", envelope("P-3", 2, recorded_at="9999-12-31T23:59:59Z"), "date_mismatch", "P-3", 2
    ),
    Planted(
        "opened before all time",
        state("P-2", 1, lambda value: value["event"].update(opened_at="0001-01-01T00:00:00Z")),
        "date_mismatch",
        "P-2",
        1,
    ),
    Planted(
        "received at the end of time",
        state("bank-77", 1, lambda value: value["event"].update(received_at="9999-12-31T23:59:59Z")),
        "date_mismatch",
        "bank-77",
        1,
    ),
    Planted("an unknown time zone", terms("P-2", timezone="Asia/Atlantis"), "zone_unknown", "P-2", 1),
    Planted("a reference twice", event("P-2", 3, reference="a"), "reference_taken", "P-2", 3),
    Planted(
        "another currency", event("P-2", 2, amount={"currency": "USD", "minor": 120_005}), "currency_mismatch", "P-2", 2
    ),
    Planted("a reversal of nothing", event("P-1", 6, reference="bank-0"), "reversal_unfounded", "P-1", 6),
    Planted(
        "a reversal before the payment", event("P-1", 6, effective_on="2023-04-09"), "dated_before_opening", "P-1", 6
    ),
    Planted("an error on another date", event("P-3", 7, effective_on="2024-02-20"), "reversal_unfounded", "P-3", 7),
    Planted("too much money", event("P-2", 6, amount={"currency": "KWD", "minor": 900_000}), "overpayment", "P-2", 6),
    Planted(
        "paid after the cancellation",
        added(
            "P-2",
            17,
            "payment_made.v1",
            "e",
            effective_on="2023-11-06",
            reference="e",
            amount={"currency": "KWD", "minor": 1},
            kind="regular",
            paid_at=None,
        ),
        "fact_on_cancelled_plan",
        "P-2",
        17,
    ),
    Planted(
        "cancelled after the completion",
        added("P-3", 19, "cancellation_requested.v1", "crm", effective_on="2024-03-31", reference="crm", reason="x"),
        "fact_on_completed_plan",
        "P-3",
        19,
    ),
    Planted(
        "reinstated under a closed policy",
        terms("P-2", reinstatement={"kind": "closed"}),
        "reinstatement_forbidden",
        "P-2",
        12,
    ),
    Planted(
        "reinstated for too little",
        terms("P-2", reinstatement={"kind": "full_cover"}),
        "reinstatement_forbidden",
        "P-2",
        12,
    ),
    Planted("a larger package", event("P-2", 12, revised_shares=1_001), "reinstatement_forbidden", "P-2", 12),
    Planted("approved by who records", event("P-2", 12, approved_by="clerk"), "approver_is_actor", "P-2", 12),
    # ---- terms
    Planted("another due date", line("P-1", 2, due_on="2023-05-11"), "schedule_mismatch", "P-1", 1),
    Planted("another first due date", terms("P-1", first_due_on="2023-04-11"), "schedule_mismatch", "P-1", 1),
    Planted("another number of released shares", line("P-1", 2, shares=963), "release_mismatch", "P-1", 1),
    Planted(
        "another rate of release",
        terms("P-1", release={"kind": "per_unit", "rate": "46/7"}),
        "release_mismatch",
        "P-1",
        1,
    ),
    Planted("other days of grace", terms("P-2", grace_days=6), "outcome_differs", "P-2", 4),
    Planted("a larger package from the beginning", terms("P-3", shares=501), "outcome_differs", "P-3", 3),
    # ---- outcomes and voidings
    Planted("other shares of an installment", event("P-1", 18, shares=965), "outcome_differs", "P-1", 18),
    Planted("another payment of an installment", event("P-1", 18, payment="bank-8"), "outcome_differs", "P-1", 18),
    Planted("another end of grace", event("P-1", 10, grace_ends_on="2023-06-09"), "outcome_differs", "P-1", 10),
    Planted("other forfeited shares", event("P-1", 16, shares_forfeited=32_073), "outcome_differs", "P-1", 16),
    Planted(
        "another due date after a reinstatement",
        event("P-1", 19, lines=[{"due_on": "2023-07-21", "number": 4}]),
        "outcome_differs",
        "P-1",
        19,
    ),
    Planted("another completion tranche", event("P-1", 22, shares=26_145), "outcome_differs", "P-1", 22),
    Planted("another bonus", event("P-3", 18, shares=251), "outcome_differs", "P-3", 18),
    Planted("an outcome cut out", cut("P-1", 14), "outcome_missing", "P-1", 12),
    Planted("a payment cut out", cut("P-2", 3), "outcome_unfounded", "P-2", 4),
    Planted("a bonus cut out", cut("P-3", 18), "outcome_missing", "P-3", 15),
    Planted(
        "an outcome too many",
        added("P-1", 15, "installment_settled.v1", "bank-2", **SETTLED),
        "outcome_unfounded",
        "P-1",
        15,
    ),
    Planted(
        "another amount of a payment",
        event("P-2", 3, amount={"currency": "KWD", "minor": 79_994}),
        "outcome_unfounded",
        "P-2",
        5,
    ),
    Planted("outcomes in another order", swapped("P-1", 3), "order_in_command", "P-1", 3),
    Planted("a voiding cut out", cut("P-1", 9), "voiding_missing", "P-1", 6),
    Planted(
        "a voiding too many",
        added("P-1", 15, "outcome_voided.v1", "bank-2", because=12, effective_on="2023-05-26", shares=964, voids=13),
        "voiding_unfounded",
        "P-1",
        15,
    ),
    Planted("other shares of a voiding", event("P-1", 9, shares=171), "voiding_differs", "P-1", 9),
    Planted("another date of a voiding", event("P-1", 9, effective_on="2023-05-21"), "voiding_differs", "P-1", 9),
    Planted("another cause of a voiding", event("P-1", 9, because=2), "voiding_differs", "P-1", 9),
    Planted("a voiding of nothing", event("P-1", 9, voids=2), "voiding_differs", "P-1", 9),
    # ---- receipts
    Planted(
        "more allocated than received",
        event("bank-77", 4, amount={"currency": "USD", "minor": 30_001}),
        "receipt_overspent",
        "bank-77",
        4,
    ),
    Planted(
        "another payment than allocated",
        event("bank-77", 4, amount={"currency": "USD", "minor": 19_999}),
        "allocation_unfounded",
        "bank-77",
        4,
    ),
    Planted("allocated to another plan", event("bank-77", 4, plan_id="P-9"), "allocation_unfounded", "bank-77", 4),
    Planted(
        "an allocation reversed in a receipt only",
        event("bank-77", 3, payment="bank-77-z"),
        "reversal_unfounded",
        "bank-77",
        3,
    ),
    Planted("another reference of a receipt", event("bank-77", 1, reference="bank-78"), "key_mismatch", "bank-77", 1),
    Planted(
        "returned before it was received",
        event("bank-77", 5, effective_on="2023-04-19"),
        "dated_before_opening",
        "bank-77",
        5,
    ),
    Planted(
        "returned in another currency",
        event("bank-77", 5, amount={"currency": "EUR", "minor": 10_000}),
        "currency_mismatch",
        "bank-77",
        5,
    ),
)
