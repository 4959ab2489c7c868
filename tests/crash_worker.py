"""A process that kills itself, for real, right before one of the SQL statements of its task."""

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from multiprocessing.connection import Connection
from typing import Any

import attrs
import psycopg

from ledger import Ledger, LedgerError, service
from ledger.commands import Command, Metadata, OpenPlan, RecordPayment
from ledger.events import RecordedEvent
from ledger.readmodel import runner
from ledger.store import postgres as _postgres  # noqa: F401 - imported before anything is forked
from ledger.store import sqlite as _sqlite  # noqa: F401
from tests.examples import OPENED_ON, RECORDED_AT, TERMS, pay, usd

PLANS = 9
CLOSED_THROUGH = date(2023, 12, 31)
_DATES = (date(2023, 4, 20), date(2023, 9, 15), date(2024, 3, 1))
_METADATA = Metadata(recorded_at=RECORDED_AT)


@attrs.frozen
class Location:
    """Where a ledger is."""

    url: str
    name: str
    views: str | None = None

    def open(self) -> Ledger:
        """Open the ledger."""
        return Ledger.open(self.url, name=self.name, views=self.views)


# ---- what the ledgers are about


def _opening(plan_id: str) -> OpenPlan:
    return OpenPlan(plan_id=plan_id, investor=f"I-{plan_id[-1]}", partner="N-3", terms=TERMS, opened_at=OPENED_ON)


def _payment(plan_id: str, on: date, reference: str, amount: str = "150.00") -> RecordPayment:
    return RecordPayment(plan_id=plan_id, reference=reference, amount=usd(amount), paid_at=on, kind="regular")


def _decided(commands: list[Command]) -> list[RecordedEvent]:
    """Return the events of commands on an empty ledger."""
    with Ledger.open("memory://") as ledger:
        decided = ledger.execute_all([(command, _METADATA) for command in commands])
    return [event for events in decided if not isinstance(events, LedgerError) for event in events]


def _begun() -> list[Command]:
    """Return commands that open plans and pay on them for up to six months."""
    plans = [f"P-{number}" for number in range(PLANS)]
    paid = [
        _payment(plan, date(2023, 4 + month, 10), f"bank-{month}")
        for month in range(6)
        for number, plan in enumerate(plans)
        if month < number
    ]
    return [*map(_opening, plans), *paid]


def bulk() -> list[tuple[Command, Metadata]]:
    """Return commands that bring more events than go into one statement."""
    plans = [f"Q-{number}" for number in range(22)]
    paid = [_payment(plan, date(2023, 4, 10), "bank-all", "3000.00") for plan in plans]
    return [(command, _METADATA) for command in [*map(_opening, plans), *paid]]


def story() -> list[RecordedEvent]:
    """Return the history of a plan that was paid at once."""
    return _decided([_opening("P-1"), _payment("P-1", OPENED_ON, "bank-all", "3000.00")])


def renamed(events: Sequence[RecordedEvent], plan_id: str) -> list[RecordedEvent]:
    """Return the same events of another plan."""
    return [attrs.evolve(event, stream_id=plan_id) for event in events]


# ---- the tasks


def _pay(ledger: Ledger) -> None:
    pay(ledger, date(2023, 10, 10), "bank-late", amount="450.00", plan_id="P-8")


def _save(ledger: Ledger) -> None:
    ledger.execute_all(bulk())


def _catch_up(ledger: Ledger) -> None:
    ledger.wait(ledger._store.last_sequence())


def _rebuild(ledger: Ledger) -> None:
    assert ledger.rebuild().differences == ()


def _close(ledger: Ledger) -> None:
    ledger.close_books(through=CLOSED_THROUGH, recorded_at=RECORDED_AT)


TASKS: Mapping[str, Callable[[Ledger], None]] = {
    "pay": _pay,
    "save": _save,
    "fill": _catch_up,
    "catch up": _catch_up,
    "rebuild": _rebuild,
    "close": _close,
}


def prepare(location: Location, task: str) -> None:
    """Make the ledger on which a task works."""
    events = _decided(_begun())
    known = {"fill": 0, "catch up": len(events) // 2}.get(task, len(events))
    with location.open() as ledger:
        for some in (events[:known], events[known:]):
            ledger.wait(ledger._store.last_sequence())
            ledger._store.append(some)
        if task not in {"fill", "catch up"}:
            ledger.wait(ledger._store.last_sequence())


def histories(ledger: Ledger) -> dict[str, list[RecordedEvent]]:
    """Return the events of each plan, apart from their sequences, in the order of sequence."""
    found: dict[str, list[RecordedEvent]] = {}
    for event in ledger.events():
        found.setdefault(event.plan_id, []).append(attrs.evolve(event, sequence=0))
    return found


def answers(ledger: Ledger) -> list[Any]:
    """Return what the lists and totals say on some days."""
    return [(ledger.overdue(as_of=day), ledger.balances(as_of=day), ledger.portfolio(as_of=day)) for day in _DATES]


# ---- the kill


class Meter:
    """Counts the statements that this process sends, and kills it right before the one that is deadly."""

    def __init__(self, deadly: int | None) -> None:
        self.deadly = deadly
        self.kinds: list[str] = []
        self.running = False
        self._thread = threading.current_thread()

    def count(self, statement: str) -> None:
        """Count a statement that is about to be sent."""
        if not self.running or threading.current_thread() is not self._thread:
            return
        if len(self.kinds) + 1 == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        self.kinds.append(" ".join(statement.split()[:3]))

    def attach(self) -> None:
        """Listen at both drivers: SQLite tells each statement and row, psycopg each exchange with the server."""
        connect, wait = sqlite3.connect, psycopg.Connection.wait

        def connected(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **kwargs)
            connection.set_trace_callback(self.count)
            return connection

        def waited(connection: Any, generator: Any, *args: Any, **kwargs: Any) -> Any:
            self.count(getattr(generator, "__name__", ""))
            return wait(connection, generator, *args, **kwargs)

        sqlite3.connect = connected  # type: ignore[assignment]  # in this process only
        psycopg.Connection.wait = waited  # type: ignore[method-assign,assignment]


def run(tell: Connection, location: Location, task: str, deadly: int | None) -> None:
    """Run a task; tell of its beginning, and, if it comes to its end, what kinds of statements it sent."""
    runner._BATCH, runner._PLANS, service._CLOSED_TOGETHER = 25, 3, 4
    meter = Meter(deadly)
    meter.attach()
    with location.open() as ledger:
        tell.send("begun")
        meter.running = True
        TASKS[task](ledger)
        meter.running = False
    tell.send(meter.kinds)
