"""The short steps (a payment, a derivation, a reading), and the list of all steps."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from benchmarks import stock, workload
from benchmarks.auditing import audit, audit_together
from benchmarks.catching_up import catch_up
from benchmarks.checking import check
from benchmarks.common import Effort, Result, equal, opened
from benchmarks.databases import Databases
from benchmarks.exporting import columns, export_parquet
from benchmarks.importing import import_histories
from benchmarks.large_books import SIZES, balance, close, overdue, portfolio
from benchmarks.measure import interleaved, repeating
from benchmarks.mixed import mixed
from benchmarks.packing import pack_all
from benchmarks.sealing import seal_all
from benchmarks.sides import Credited, Side
from benchmarks.writers import pay_together
from ledger.events import PaymentMade, PlanOpened
from ledger.terms.schedule import Installment
from ledger.timeline import timeline


def pay(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Payments: each loads a plan, decides, saves. A plan is paid only once, so every round finds the same ages."""
    step = f"pay/{database}"
    plans = (effort.rounds + 1) * effort.payments
    written: dict[str, list[int]] = {}

    def work(name: str, side: Side, number: int) -> int:
        first = number * effort.payments
        rows = [side.pay(plan, workload.paid_before(plan) + 1) for plan in range(first, first + effort.payments)]
        written.setdefault(name, []).extend(rows)
        return len(rows)

    with opened(databases.open(database, "pay"), [workload.paid_before(plan) for plan in range(plans)]) as sides:
        turns = {name: partial(work, name, side) for name, side in sides.named().items()}
        rates = interleaved(turns, rounds=effort.rounds)
        equal(step, "rows of each payment", *written.values())
        equal(step, "shares credited", sides.ours.credited(range(plans)), sides.stock.credited(range(plans)))
    return Result(step, rates["ours"], rates["stock"], rates["floor"])


def derive(effort: Effort, *, late: int = 0) -> Result:
    """One plan of 20 payments, each so many days late, derived from its facts; stock replays its events in memory."""
    step = "derive/late" if late else "derive"
    events = [recorded.event for command in workload.recorded(late) for recorded in command]
    facts = [event for event in events if isinstance(event, PaymentMade)]
    opened, as_of = events[0], facts[-1].effective_on
    assert isinstance(opened, PlanOpened)
    replayed = [event for command in stock.recorded(late) for event in command]

    derived = timeline(opened, facts, as_of).state
    plan = stock.replay(replayed)
    by_ours = Credited(derived.shares_credited, derived.bonus_credited)
    equal(step, "shares credited", by_ours, Credited(plan.shares_credited, plan.bonus_credited))

    operations: Mapping[str, Callable[[], object]] = {
        "ours": lambda: timeline(opened, facts, as_of),
        "stock": lambda: stock.replay(replayed),
        "floor": lambda: _only_money(opened.lines, facts),
    }
    turns = {name: repeating(operation, seconds=effort.seconds_deriving) for name, operation in operations.items()}
    rates = interleaved(turns, rounds=effort.rounds)
    return Result(step, rates["ours"], rates["stock"], rates["floor"])


def _only_money(lines: Sequence[Installment], facts: Sequence[PaymentMade]) -> list[tuple[object, ...]]:
    """The floor of deriving: add up money and list the lines that it settles. No deadlines, promotions or state."""
    outcomes: list[tuple[object, ...]] = []
    left = 0
    for fact in facts:
        left += fact.amount.minor
        while len(outcomes) < len(lines) and lines[len(outcomes)].amount <= left:
            line = lines[len(outcomes)]
            left -= line.amount
            outcomes.append((fact.effective_on, line.number, line.shares, fact.reference))
    return outcomes


def read(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Everything stored, read into plan states; the floor fetches the rows."""
    step, plans = f"read/{database}", effort.plans_read
    with opened(databases.open(database, "read"), [workload.paid_before(plan) for plan in range(plans)]) as sides:
        readers: dict[str, Callable[[], int]] = {
            "ours": sides.ours.read,
            "stock": sides.stock.read,
            "floor": sides.floor.read,
        }
        equal(step, "rows read", *(reader() for reader in readers.values()))
        equal(step, "shares credited", sides.ours.credited(range(plans)), sides.stock.credited(range(plans)))
        turns = {name: partial(_read, reader) for name, reader in readers.items()}
        rates = interleaved(turns, rounds=effort.rounds)
    return Result(step, rates["ours"], rates["stock"], rates["floor"])


def _read(reader: Callable[[], int], _round: int) -> int:
    return reader()


Step = Callable[[Databases, Effort], Result]

_STEPS: Mapping[str, Step] = {
    "pay/sqlite": partial(pay, database="sqlite"),
    "pay/postgres": partial(pay, database="postgres"),
    "pay/postgres/4": partial(pay_together, database="postgres", writers=4),
    "import/sqlite": partial(import_histories, database="sqlite"),
    "import/postgres": partial(import_histories, database="postgres"),
    "derive": lambda _, effort: derive(effort),
    "derive/late": lambda _, effort: derive(effort, late=workload.LATE),
    "read/sqlite": partial(read, database="sqlite"),
    "read/postgres": partial(read, database="postgres"),
    "audit/sqlite": partial(audit, database="sqlite"),
    "audit/postgres": partial(audit, database="postgres"),
    "audit/sqlite/2": partial(audit_together, database="sqlite", processes=2),
    "catchup/sqlite": partial(catch_up, database="sqlite"),
    "catchup/postgres": partial(catch_up, database="postgres"),
    "catchup/sqlite/late": partial(catch_up, database="sqlite", late=workload.LATE),
    "catchup/postgres/late": partial(catch_up, database="postgres", late=workload.LATE),
    "seal/sqlite": partial(seal_all, database="sqlite"),
    "seal/postgres": partial(seal_all, database="postgres"),
    "pack/sqlite": partial(pack_all, database="sqlite"),
    "pack/postgres": partial(pack_all, database="postgres"),
    "export/parquet": export_parquet,
    "columns": columns,
    "check/hledger": partial(check, program="hledger"),
    "check/beancount": partial(check, program="beancount"),
    "mixed/sqlite": partial(mixed, database="sqlite"),
    "mixed/postgres": partial(mixed, database="postgres"),
    "close/10k": lambda databases, _: close(databases, size="10k"),
    "close/100k": lambda databases, _: close(databases, size="100k"),
    "overdue/1M": partial(overdue, size="1M"),
    "balance/1M": partial(balance, size="1M"),
    "portfolio/1M": partial(portfolio, size="1M"),
    "close/1M": lambda databases, _: close(databases, size="1M"),  # after the queries: it closes the days
}


def steps(effort: Effort) -> Mapping[str, Step]:
    """Return the steps by name, in the order in which they run, less those on larger books than asked for."""
    return {name: step for name, step in _STEPS.items() if SIZES.get(name.rpartition("/")[2], 0) <= effort.largest_book}
