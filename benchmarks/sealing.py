"""Sealing a ledger from its first event: without stock, which has no such thing; the floor reads the same rows."""

import shutil
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.common import Effort, Result, equal
from benchmarks.databases import Databases
from benchmarks.measure import interleaved
from ledger.audit.seal import SignerKey, check_seal, seal
from ledger.store import EventReader

PAYMENTS = 12
"""Payments on each plan."""

_PAGE = 4_096
"""Rows read at a time, as many as the seal reads."""


def seal_all(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Every event becomes a leaf; tiles, index and checkpoint are on the disk at the end. The floor only reads."""
    step, key = f"seal/{database}", SignerKey.generate("benchmark")
    folder = databases.folder / f"seal-{database}"
    with closing(databases.open(database, "seal").ours()) as ours:
        ours.seed([PAYMENTS] * effort.plans_sealed)
        reader = ours.reader()
        turns = {"ours": partial(_seal, reader, folder, key), "floor": partial(read_rows, reader)}
        rates = interleaved(
            turns, rounds=effort.long_rounds, before=lambda *_: shutil.rmtree(folder, ignore_errors=True)
        )
        sealed = _seal(reader, folder, key, 0)
        equal(step, "events sealed and read", sealed, read_rows(reader, 0))
        equal(step, "findings", [*check_seal(reader, folder, key=key.verifier)], [])
    return Result(step, rates["ours"], floor=rates["floor"])


def _seal(reader: EventReader, folder: Path, key: SignerKey, _round: int) -> int:
    return seal(reader, folder, key=key).size


def read_rows(reader: EventReader, _round: int) -> int:
    """Read all events as they are stored, a page at a time; return their number."""
    count = after = 0
    while page := reader.raw_events(after=after, limit=_PAGE):
        count, after = count + len(page), page[-1].sequence
    return count
