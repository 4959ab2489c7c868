"""The five steps, and what one round of each does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks import stock, workload
from benchmarks.databases import Database, Databases
from benchmarks.equal_work import UnequalWork
from benchmarks.measure import interleaved, repeating
from benchmarks.ours import Ours
from benchmarks.sides import Credited, Side
from benchmarks.stock import Stock
from ledger.events import PaymentMade, PlanOpened
from ledger.schedule import Installment
from ledger.timeline import timeline


@dataclass(frozen=True)
class Effort:
    """How much is measured. `payments` is per round and side, a multiple of the 20 ages of the workload's plans."""

    rounds: int
    payments: int
    plans_read: int
    seconds_deriving: float


@dataclass(frozen=True)
class Result:
    """Operations per second."""

    step: str
    ours: float
    stock: float
    floor: float


@dataclass(frozen=True)
class Opened:
    """The three sides on a database, filled alike."""

    ours: Ours
    stock: Stock
    floor: Side

    def named(self) -> Mapping[str, Side]:
        """Return the sides in the order of their turns."""
        return {"ours": self.ours, "stock": self.stock, "floor": self.floor}


@contextmanager
def _opened(database: Database, payments: Sequence[int]) -> Iterator[Opened]:
    """Open and fill the three sides."""
    with closing(database.ours()) as ours, closing(database.stock()) as stock_side, closing(database.floor()) as floor:
        sides = Opened(ours, stock_side, floor)
        for side in sides.named().values():
            side.seed(payments)
        database.settle()
        yield sides


def pay(databases: Databases, effort: Effort, *, database: str) -> Result:
    """Payments: each loads a plan, decides, saves. A plan is paid but once, so that every round finds the same ages."""
    step = f"pay/{database}"
    plans = (effort.rounds + 1) * effort.payments
    written: dict[str, list[int]] = {}

    def work(name: str, side: Side, number: int) -> int:
        first = number * effort.payments
        rows = [side.pay(plan, workload.paid_before(plan) + 1) for plan in range(first, first + effort.payments)]
        written.setdefault(name, []).extend(rows)
        return len(rows)

    with _opened(databases.open(database, "pay"), [workload.paid_before(plan) for plan in range(plans)]) as sides:
        turns = {name: partial(work, name, side) for name, side in sides.named().items()}
        rates = interleaved(turns, rounds=effort.rounds)
        _equal(step, "rows of each payment", *written.values())
        _equal(step, "shares credited", sides.ours.credited(), sides.stock.credited())
    return Result(step, rates["ours"], rates["stock"], rates["floor"])


def derive(effort: Effort) -> Result:
    """One plan of 20 payments, derived from its facts; stock replays its events in memory instead."""
    events = [recorded.event for command in workload.recorded() for recorded in command]
    facts = [event for event in events if isinstance(event, PaymentMade)]
    opened, as_of = events[0], facts[-1].effective_on
    assert isinstance(opened, PlanOpened)
    replayed = [event for command in stock.recorded() for event in command]

    derived = timeline(opened, facts, as_of).state
    plan = stock.replay(replayed)
    by_ours = Credited(derived.shares_credited, derived.bonus_credited)
    _equal("derive", "shares credited", by_ours, Credited(plan.shares_credited, plan.bonus_credited))

    operations: Mapping[str, Callable[[], object]] = {
        "ours": lambda: timeline(opened, facts, as_of),
        "stock": lambda: stock.replay(replayed),
        "floor": lambda: _only_money(opened.lines, facts),
    }
    turns = {name: repeating(operation, seconds=effort.seconds_deriving) for name, operation in operations.items()}
    rates = interleaved(turns, rounds=effort.rounds)
    return Result("derive", rates["ours"], rates["stock"], rates["floor"])


def _only_money(lines: Sequence[Installment], facts: Sequence[PaymentMade]) -> list[tuple[object, ...]]:
    """The floor of deriving: add up money, and note in a plain tuple what it settles. No dates, promotions or state."""
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
    step = f"read/{database}"
    with _opened(
        databases.open(database, "read"), [workload.paid_before(plan) for plan in range(effort.plans_read)]
    ) as sides:
        readers: dict[str, Callable[[], int]] = {
            "ours": sides.ours.read,
            "stock": sides.stock.read,
            "floor": sides.floor.read,
        }
        _equal(step, "rows read", *(reader() for reader in readers.values()))
        _equal(step, "shares credited", sides.ours.credited(), sides.stock.credited())
        turns = {name: partial(_read, reader) for name, reader in readers.items()}
        rates = interleaved(turns, rounds=effort.rounds)
    return Result(step, rates["ours"], rates["stock"], rates["floor"])


def _read(reader: Callable[[], int], _round: int) -> int:
    return reader()


def _equal(step: str, what: str, *of_sides: object) -> None:
    if any(of_side != of_sides[0] for of_side in of_sides):
        raise UnequalWork(f"{step}: {what} differ: {', '.join(map(str, of_sides))}")


STEPS: Mapping[str, Callable[[Databases, Effort], Result]] = {
    "pay/sqlite": partial(pay, database="sqlite"),
    "pay/postgres": partial(pay, database="postgres"),
    "derive": lambda _, effort: derive(effort),
    "read/sqlite": partial(read, database="sqlite"),
    "read/postgres": partial(read, database="postgres"),
}
"""By name, in the order in which they run."""
