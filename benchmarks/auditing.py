"""Auditing: every event read, decoded and folded, every outcome derived again and compared. Stock only loads."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial, reduce
from multiprocessing import get_context

from benchmarks.common import Effort, Result, equal, opened
from benchmarks.databases import Databases
from benchmarks.measure import interleaved
from benchmarks.ours import NAME
from benchmarks.workload import paid_before
from ledger.audit.examination.partition import EMPTY, Part, PartAudit, audit_part
from ledger.audit.examination.run import parts
from ledger.events import PLAN
from ledger.store import WHOLE, EventReader, ReaderAddress, open_reader, open_store

_PER_PART = 50
"""Plans of a part, where two processes share them."""


def audit(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Audit everything stored, in one process; stock reads it into plan states, and the floor fetches the rows."""
    step, plans = f"audit/{database}", effort.plans_read
    with opened(databases.open(database, "audit"), [paid_before(plan) for plan in range(plans)]) as sides:
        store = open_store(sides.ours.url, NAME, create=False)
        try:
            turns: dict[str, Callable[[], int]] = {
                "ours": lambda: _events(audit_part(store, Part(PLAN, WHOLE))),
                "stock": sides.stock.read,
                "floor": sides.floor.read,
            }
            equal(step, "rows read", *(turn() for turn in turns.values()))
            rates = interleaved({name: partial(_turn, turn) for name, turn in turns.items()}, rounds=effort.rounds)
        finally:
            store.close()
    return Result(step, rates["ours"], rates["stock"], rates["floor"])


def audit_together(databases: Databases, effort: Effort, *, database: str, processes: int) -> Result:
    """Audit everything stored in some processes, which are started before; the floor does it in one of them."""
    step, plans = f"audit/{database}/{processes}", effort.plans_mixed
    with (
        opened(databases.open(database, f"audit{processes}"), [paid_before(plan) for plan in range(plans)]) as sides,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as many,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one,
    ):
        store = open_store(sides.ours.url, NAME, create=False)
        try:
            turns = {
                name: partial(_turn, partial(_in_pool, pool, store)) for name, pool in (("ours", many), ("floor", one))
            }
            rates = interleaved(turns, rounds=effort.long_rounds)
        finally:
            store.close()
    return Result(step, rates["ours"], floor=rates["floor"])


def _in_pool(pool: ProcessPoolExecutor, reader: EventReader) -> int:
    audits = pool.map(partial(_audit_part, reader.address()), parts(reader, streams=_PER_PART))
    return _events(reduce(PartAudit.__add__, audits, EMPTY))


def _audit_part(address: ReaderAddress, part: Part) -> PartAudit:
    with open_reader(address) as reader:
        return audit_part(reader, part)


def _events(audited: PartAudit) -> int:
    """Return the number of events audited; a workload with findings would be another one."""
    if audited.findings:
        raise AssertionError(audited.findings[0])
    return audited.events[PLAN]


def _turn(turn: Callable[[], int], _round: int) -> int:
    return turn()
