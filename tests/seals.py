"""Sealed ledgers for tests: some plans and a receipt, sequences with gaps, a key, and what is found about them."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import attrs

from ledger import Ledger
from ledger.audit import KINDS, Finding
from ledger.audit.seal import SignerKey, check_seal, seal
from ledger.events import RECEIPT, RecordedEvent
from ledger.store import LAST, RawEvent, Store
from tests.examples import OPENED_ON, RECORDED_AT, open_plan, pay, usd
from tests.raw_sql import change, change_each

KEY = SignerKey("example.com/books", b"a seed of 32 bytes, for the test")
OTHER = SignerKey("example.com/books", b"another one that somebody else has"[:32])

Place = tuple[str, str | None, int | None]
"""The kind of a finding, its plan or receipt, its version."""


@cache
def _stories() -> tuple[Sequence[RecordedEvent], Sequence[RecordedEvent]]:
    """Return the events of a plan with a payment, and of money received, as a ledger decides them."""
    with Ledger.open("memory://") as ledger:
        open_plan(ledger, "P-0")
        pay(ledger, OPENED_ON, "bank-1", plan_id="P-0", amount="300.00")
        money, reason = usd("7.00"), "unknown payer"
        ledger.receive_unallocated("R-0", amount=money, received_at=OPENED_ON, reason=reason, recorded_at=RECORDED_AT)
        return ledger.history("P-0"), [event for event in ledger.events() if event.kind == RECEIPT]


EVENTS = 5
"""Events of a plan."""


def fill(ledger: Ledger, plans: int, *, first: int = 0) -> None:
    """Record plans with a payment, `EVENTS` events each, and for every third the receipt of money, one event."""
    plan, receipt = _stories()
    events: list[RecordedEvent] = []
    for number in range(first, first + plans):
        events += [attrs.evolve(one, stream_id=f"P-{number}", sequence=0) for one in plan]
        if number % 3 == 0:
            events += [attrs.evolve(one, stream_id=f"R-{number}", sequence=0) for one in receipt]
    reader(ledger).append(events)


def spread(ledger: Ledger) -> None:
    """Give every event ten times its sequence, so that there is room between two."""
    change(ledger, "UPDATE books_events SET sequence = -sequence")
    change(ledger, "UPDATE books_events SET sequence = sequence * -10")
    if "PostgreSQL" in reader(ledger).label:
        counter = "pg_get_serial_sequence('books_events', 'sequence')"
        change(ledger, f"SELECT setval({counter}, (SELECT MAX(sequence) FROM books_events))")


def reader(ledger: Ledger) -> Store:
    """Return the events of a ledger."""
    store: Store = ledger._store
    return store


def stored(ledger: Ledger) -> list[RawEvent]:
    """Return all events as they are stored."""
    return ledger._store.raw_events(after=-LAST, limit=LAST)


def insert(ledger: Ledger, *events: RawEvent) -> None:
    """Insert events by hand, with the sequences that they carry."""
    columns = "(sequence, kind, stream_id, version, tag, state)"
    change_each(ledger, f"INSERT INTO books_events {columns} VALUES (?, ?, ?, ?, ?, ?)", events)


def remove(ledger: Ledger, *events: RawEvent) -> None:
    """Remove events by hand."""
    change_each(ledger, "DELETE FROM books_events WHERE sequence = ?", [(one.sequence,) for one in events])


def set_column(ledger: Ledger, event: RawEvent, column: str, value: object) -> None:
    """Change one column of an event by hand."""
    change(ledger, f"UPDATE books_events SET {column} = ? WHERE sequence = ?", value, event.sequence)


def seal_here(ledger: Ledger, folder: Path, key: SignerKey = KEY) -> None:
    """Seal a ledger."""
    seal(reader(ledger), folder, key=key)


def found(ledger: Ledger, folder: Path, *, witnesses: Sequence[Path] = ()) -> list[Finding]:
    """Return everything that is wrong."""
    findings = list(check_seal(reader(ledger), folder, key=KEY.verifier, witnesses=witnesses))
    for one in findings:
        assert one.kind in KINDS
        assert attrs.asdict(one)
        assert one.rule.startswith("seal.md section ")
    return findings


def places(findings: Sequence[Finding]) -> list[Place]:
    """Return kind, plan or receipt, and version of findings, sorted."""
    return sorted(((one.kind, one.plan_id or one.receipt, one.version) for one in findings), key=str)


def files(folder: Path) -> Iterator[Path]:
    """Yield the files of a seal."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (".lock", ".new"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of a seal."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)}


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root by the definition of RFC 6962 section 2.1, and nothing else."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    left, right = naive_root(leaves[:middle]), naive_root(leaves[middle:])
    return hashlib.sha256(b"\x01" + left + right).digest()
