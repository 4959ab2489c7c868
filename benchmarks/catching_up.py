"""Catching up: a projection processes a filled ledger, exactly once, from nothing."""

from contextlib import closing

from benchmarks.common import Effort, Result, equal
from benchmarks.databases import Databases
from benchmarks.measure import Work, interleaved
from benchmarks.stock_projection import PREFIX, StockProjection
from benchmarks.workload import LINES, plan_id, recorded
from ledger.projections.builtin import PERIODS


def catch_up(databases: Databases, effort: Effort, *, database: str, late: int = 0) -> Result:
    """A filled ledger, processed by the projection of the read model; every payment in it is so many days late.

    Ours begins with nothing in every round. Stock, with a transaction for each event, continues in every round with the
    whole histories of a few plans. The floor inserts all rows of the result in one transaction.
    """
    step = f"catchup/{database}{'/late' if late else ''}"
    target = databases.open(database, "catchup_late" if late else "catchup")
    per_plan = sum(map(len, recorded(late)))
    few = effort.plans_tracked_by_stock
    tracked = few * (effort.long_rounds + 1)
    with closing(target.ours()) as ours, closing(target.stock()) as stock, closing(target.floor()):
        ours.seed([len(LINES)] * effort.plans_caught_up, late=late)
        for first in range(0, tracked, few):
            stock.seed([len(LINES)] * few, first=first, late=late)
        target.settle()
        ours.catch_up()
        with (
            closing(target.read_model()) as read_model,
            closing(StockProjection(stock, read_model.ddl(PREFIX), late=late)) as projection,
        ):
            read_model.create_floor()
            tables = {name: read_model.table(name) for name in read_model.names()}
            events = ours.read()
            equal(step, "events", events, effort.plans_caught_up * per_plan, ours.catch_up())

            def by_ours(_round: int) -> int:
                ours.catch_up()
                return events

            def by_floor(_round: int) -> int:
                read_model.fill_floor(tables)
                return events

            def before(name: str, _round: int) -> None:
                if name == "ours":
                    read_model.drop()
                elif name == "floor":
                    read_model.empty_floor()

            turns: dict[str, Work] = {
                "ours": by_ours,
                "stock": lambda _: projection.process(few * per_plan),
                "floor": by_floor,
            }
            rates = interleaved(turns, rounds=effort.long_rounds, before=before)
            equal(step, "events tracked by stock", tracked * per_plan, stock.read(), projection.reached())
            for name in (f"_{table.name}" for table in PERIODS.tables):
                both = {plan_id(plan) for plan in range(min(tracked, effort.plans_caught_up))}
                by_both = (
                    [row for row in rows if row[0] in both]
                    for rows in (read_model.table(name).rows, projection.rows(name))
                )
                equal(step, f"rows of the read model{name}", *by_both)
    return Result(step, rates["ours"], rates["stock"], rates["floor"])
