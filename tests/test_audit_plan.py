"""The audit of one plan: clean on everything that the ledger records, and never on what it would not record."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from ledger.commands import Command
from ledger.terms import PerUnit
from tests.attempts import attempts_with_closings
from tests.audits import audited, could_be_recorded, stored
from tests.plans import DAY, D, agreed, attempt, record, recorded_by, reinstate
from tests.strategies import one_in


@given(commands=attempts_with_closings())
def test_what_the_ledger_records_is_clean(commands: list[Command]) -> None:
    """After any commands, closings among them, an audit finds nothing."""
    events = recorded_by(attempt(commands))
    assert list(audited(stored(events)).findings) == []


@given(commands=attempts_with_closings(), data=st.data())
def test_a_changed_event_is_found_unless_the_ledger_would_record_it_so(
    commands: list[Command], data: st.DataObject
) -> None:
    """Any field of any stored event, changed: found, or what results is a history that the commands bring about."""
    raw = stored(recorded_by(attempt(commands)))
    index = data.draw(st.integers(0, len(raw) - 1))
    state = json.loads(raw[index].state)
    path = data.draw(st.sampled_from([*_paths(state)]))
    _change(state, path, data)
    changed = json.dumps(state, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    raw[index] = raw[index]._replace(state=changed)
    note(f"{raw[index].version} {raw[index].tag} {path} {changed!r}")
    found = audited(raw).findings
    note(str(found))
    assert could_be_recorded(raw) == (not found)


@one_in(2)
@given(commands=attempts_with_closings(), data=st.data())
def test_a_changed_byte_is_found_unless_the_ledger_would_record_it_so(
    commands: list[Command], data: st.DataObject
) -> None:
    """The same for a single byte of the stored form."""
    raw = stored(recorded_by(attempt(commands)))
    index = data.draw(st.integers(0, len(raw) - 1))
    state = bytearray(raw[index].state)
    at = data.draw(st.integers(0, len(state) - 1))
    state[at] = data.draw(st.integers(0, 255))
    raw[index] = raw[index]._replace(state=bytes(state))
    found = audited(raw).findings
    note(str(found))
    assert could_be_recorded(raw) == (not found)


def _paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each plain value in a stored event."""
    if isinstance(value, (dict, list)):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(item, (*before, name))
    else:
        yield before


def _change(state: Any, path: tuple[str | int, ...], data: st.DataObject) -> None:
    """Change the value at a path: numbers and dates a little, text to other text."""
    for step in path[:-1]:
        state = state[step]
    value = state[path[-1]]
    if isinstance(value, int):
        changed: object = value + data.draw(st.sampled_from([-1, 1, 100, -value]))
    elif isinstance(value, str) and (day := _day(value)) is not None:
        changed = (day + timedelta(days=data.draw(st.sampled_from([-400, -30, -1, 1, 20, 400])))).isoformat()
    elif isinstance(value, str):
        changed = data.draw(st.sampled_from([f"{value}x", value[:-1], *_WORDS]))
    else:
        changed = data.draw(st.sampled_from([1, "bank-1", "2024-01-01T00:00:00Z"]))
    state[path[-1]] = changed


_WORDS = ("bank-0", "bank-1", "error", "chargeback", "regular", "early_repayment", "2024-06-30")
"""Words that stand in stored events."""


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def test_facts_from_which_no_outcomes_can_follow_end_the_derivation_and_not_the_audit() -> None:
    """The line of an opening was edited: it releases more than the package that a reinstatement has left."""
    commands = [reinstate(D + 40 * DAY, revised_shares=1)]
    raw = stored(record(*commands, terms=agreed(1, release=PerUnit("0"), first_due_on=D)))
    state = json.loads(raw[0].state)
    state["event"]["lines"][0]["shares"] = 7
    changed = json.dumps(state, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    raw[0] = raw[0]._replace(state=changed)
    found = [(one.kind, one.version) for one in audited(raw).findings]
    assert found == [("release_mismatch", 1), ("outcome_unfounded", 2)]
