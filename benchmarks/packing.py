"""Packing a ledger into one zip file: without stock, which has no such thing; the floor reads the same rows."""

from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.common import Effort, Result, equal
from benchmarks.databases import Databases
from benchmarks.measure import interleaved
from benchmarks.sealing import PAYMENTS, read_rows
from ledger.audit.packs.pack import pack
from ledger.store import EventReader


def pack_all(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Every event becomes a line and a leaf; the file is on the disk at the end. The command also audits before."""
    step, file = f"pack/{database}", databases.folder / f"pack-{database}.zip"
    with closing(databases.open(database, "pack").ours()) as ours:
        ours.seed([PAYMENTS] * effort.plans_sealed)
        reader = ours.reader()
        turns = {"ours": partial(_pack, reader, file), "floor": partial(read_rows, reader)}
        rates = interleaved(turns, rounds=effort.long_rounds, before=lambda *_: file.unlink(missing_ok=True))
        equal(step, "events packed and read", _pack(reader, file, 0), read_rows(reader, 0))
    return Result(step, rates["ours"], floor=rates["floor"])


def _pack(reader: EventReader, file: Path, _round: int) -> int:
    return pack(reader, file).events
