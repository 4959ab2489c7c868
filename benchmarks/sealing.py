"""Sealing a ledger from its first event: without stock, which has no such thing; the floor reads the same rows."""

import shutil
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.common import Effort, Result, equal
from benchmarks.databases import Databases
from benchmarks.measure import interleaved
from benchmarks.ours import Ours
from ledger.audit.seal import SignerKey, check_seal, seal
from ledger.store import EventReader

_PAGE = 4_096
"""Rows read at a time, as many as the seal reads."""

_PAYMENTS = 12
"""Payments on each plan."""


def seal_all(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Every event becomes a leaf; tiles, index and checkpoint are on the disk at the end. The floor only reads."""
    step, key = f"seal/{database}", SignerKey.generate("benchmark")
    folder = databases.folder / f"seal-{database}"
    with closing(databases.open(database, "seal").ours()) as ours:
        ours.seed([_PAYMENTS] * effort.plans_sealed)
        reader = _reader(ours)
        turns = {"ours": partial(_seal, reader, folder, key), "floor": partial(_read, reader)}
        rates = interleaved(
            turns, rounds=effort.long_rounds, before=lambda *_: shutil.rmtree(folder, ignore_errors=True)
        )
        sealed = _seal(reader, folder, key, 0)
        equal(step, "events sealed and read", sealed, _read(reader, 0))
        equal(step, "findings", [*check_seal(reader, folder, key=key.verifier)], [])
    return Result(step, rates["ours"], floor=rates["floor"])


def _reader(ours: Ours) -> EventReader:
    reader: EventReader = ours._ledger._store  # noqa: SLF001 - through the connections that are measured
    return reader


def _seal(reader: EventReader, folder: Path, key: SignerKey, _round: int) -> int:
    return seal(reader, folder, key=key).size


def _read(reader: EventReader, _round: int) -> int:
    count = after = 0
    while page := reader.raw_events(after=after, limit=_PAGE):
        count, after = count + len(page), page[-1].sequence
    return count
