"""Bulk import: whole histories, in the order in which a business records them."""

from functools import partial

from benchmarks.common import Effort, Result, equal, opened
from benchmarks.databases import Databases
from benchmarks.measure import interleaved
from benchmarks.sides import Side


def import_histories(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Whole histories, month by month over all plans; a commit for every 2,000 commands (stock in PostgreSQL: fewer).

    Ours executes commands through a handler that keeps its plans. Stock keeps aggregates in memory and saves many at a
    time. The floor inserts (SQLite) or copies (PostgreSQL) the rows of each commit, prepared beforehand.
    """
    step = f"import/{database}"
    written: dict[str, list[int]] = {}

    def plans(number: int) -> range:
        return range(number * effort.plans_imported, (number + 1) * effort.plans_imported)

    def work(name: str, side: Side, number: int) -> int:
        rows = side.import_plans(plans(number))
        written.setdefault(name, []).append(rows)
        return rows

    with opened(databases.open(database, "import"), []) as sides:
        named = sides.named()
        turns = {name: partial(work, name, side) for name, side in named.items()}
        rates = interleaved(
            turns, rounds=effort.long_rounds, before=lambda name, number: named[name].prepare(plans(number))
        )
        last = plans(effort.long_rounds)
        equal(step, "rows written in each round", *written.values())
        equal(step, "rows stored", sum(written["ours"]), *(side.read() for side in named.values()))
        equal(step, "shares credited", sides.ours.credited(last), sides.stock.credited(last))
    return Result(step, rates["ours"], rates["stock"], rates["floor"])
