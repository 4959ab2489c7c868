"""Import of a pack: a new ledger with the same events, byte for byte, so with the same root and the same answers."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import ClassVar

import attrs

from ledger.audit import verify
from ledger.errors import ConcurrentChange, LedgerError
from ledger.errors.excerpt import named, sentence
from ledger.store import RawEvent, Store
from ledger.telemetry import Progress

_CHUNK = 5_000
"""Events that are compared or recorded at a time: each chunk is a transaction."""


@attrs.define(kw_only=True)
class PackRefused(LedgerError):
    """A pack that is not imported. `findings` is the number of its errors; 0 where the ledger is the reason."""

    code: ClassVar[str] = "pack_refused"

    file: str
    findings: int
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"Pack {named(self.file)}: {sentence(self.reason)}; {self.remedy}."


@attrs.frozen(kw_only=True)
class Imported:
    """A pack that was imported: its numbers, its root in hexadecimal, and how many of the events are `new`."""

    file: str
    events: int
    plans: int
    receipts: int
    root: str
    new: int


@attrs.frozen
class VerifiedPack:
    """A pack in which nothing is wrong: its file, and the result of its verification."""

    file: Path
    result: verify.Verification


def verified_pack(file: Path, *, progress: Progress | None = None) -> VerifiedPack:
    """Verify a pack with all that verify.py checks.

    Raises `PackRefused` if anything is found, `verify.Unusable` for a file that is no pack.
    """
    result = verify.verify(str(file), progress=progress)
    if result.findings:
        raise _unsound(file, result.findings)
    return VerifiedPack(file, result)


def import_pack(store: Store, verified: VerifiedPack, *, progress: Progress | None = None) -> Imported:
    """Record the events of a pack in an empty ledger, in their order and with their very bytes.

    Events are recorded thousands at a time; where that was cut off, the next import of the same pack goes on: a ledger
    that holds the first events of the pack, and no others, counts as empty. Raises `PackRefused` for a ledger with
    other events, `StoreUnavailable`.
    """
    file, result = verified.file, verified.result
    with closing(verify.Pack(str(file))) as pack:
        kept = _compare(store, pack, file)
        _record(store, pack, file, after=kept, total=result.events, progress=progress)
        if _compare(store, pack, file) != result.events:
            raise _other_events(file)
    return Imported(
        file=str(file),
        events=result.events,
        plans=result.plans,
        receipts=result.receipts,
        root=result.root,
        new=result.events - kept,
    )


def _events(pack: verify.Pack) -> Iterator[RawEvent]:
    """Yield the events of a pack in their order."""
    for number, (_, line) in enumerate(pack.lines(), 1):
        one = verify.read_line(number, line)
        yield RawEvent(0, one.kind, one.stream_id, one.version, one.tag, one.state)


def _compare(store: Store, pack: verify.Pack, file: Path) -> int:
    """Return the number of events in the ledger. Raises `PackRefused` if they are not the first ones of the pack."""
    packed, after, found = _events(pack), 0, 0
    while page := store.raw_events(after=after, limit=_CHUNK):
        if [event[1:] for event in page] != [event[1:] for event in islice(packed, len(page))]:
            raise _other_events(file)
        after, found = page[-1].sequence, found + len(page)
    return found


def _record(store: Store, pack: verify.Pack, file: Path, *, after: int, total: int, progress: Progress | None) -> None:
    """Record the events of a pack after so many."""
    events, done = islice(_events(pack), after, None), after
    while chunk := list(islice(events, _CHUNK)):
        try:
            store.restore(chunk)
        except ConcurrentChange:
            raise _other_events(file) from None
        done += len(chunk)
        if progress is not None:
            progress(done, total)


def _unsound(file: Path, findings: list[verify.Finding]) -> PackRefused:
    first = findings[0]
    stream = f"plan {first.plan_id}" if first.plan_id is not None else f"receipt {first.receipt}"
    where = "the pack" if first.plan_id is None and first.receipt is None else stream
    version = "" if first.version is None else f", version {first.version}"
    number = "1 finding" if len(findings) == 1 else f"{len(findings):,} findings, the first"
    return PackRefused(
        file=str(file),
        findings=len(findings),
        reason=f"{number}: {first.kind} in {where}{version}",
        remedy="see all of them with its verify.py",
    )


def _other_events(file: Path) -> PackRefused:
    reason = "the ledger holds events that are not the first ones of this pack"
    return PackRefused(file=str(file), findings=0, reason=reason, remedy="import it into a new ledger")
