"""The report of a run: a table with the aims of this release, or JSON."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import Result

_MILLISECONDS = 1_000

HEADER = (
    f"{'step':<22}{'ours':>12}{'stock':>12}{'floor':>12}{'ms each':>10}{'ours/stock':>12}{'ours/floor':>12}"
    "   aims of this release"
)

Results = Mapping[str, Result]
"""The results of one run, by step."""


class Aim(NamedTuple):
    """An aim for a step, in words, and whether a result reaches it; None if the run cannot show that."""

    words: str
    reached: Callable[[Result, Results], bool | None]
    of_stock: float | None = None
    """The aim as a multiple of stock, if it is one."""
    of_floor: float | None = None
    """The aim as a multiple of the floor, if it is one."""


def times_stock(result: Result) -> float | None:
    """Return the speed of ours as a multiple of stock."""
    return result.ours / result.stock if result.stock else None


def times_floor(result: Result) -> float | None:
    """Return the speed of ours as a multiple of the floor, usually below 1."""
    return result.ours / result.floor if result.floor else None


def _of_stock(factor: float) -> Aim:
    return Aim(f"{factor:g} x stock", lambda result, _: (times_stock(result) or 0) >= factor, factor)


def _of_program(factor: float) -> Aim:
    return Aim(f"{factor:g} x the program", lambda result, _: (times_stock(result) or 0) >= factor, factor)


def _of_floor(factor: float) -> Aim:
    return Aim(f"{factor:g} x floor", lambda result, _: (times_floor(result) or 0) >= factor, None, factor)


def _under_milliseconds(limit: float) -> Aim:
    words = f"under {limit:g} ms" if limit >= 1 else f"under {limit * 1_000:g} µs"
    return Aim(words, lambda result, _: result.ours > _MILLISECONDS / limit)


def _beside_floor(microseconds: float) -> Aim:
    def reached(result: Result, _: Results) -> bool | None:
        return None if result.floor is None else 1 / result.ours - 1 / result.floor < microseconds / 1_000_000

    return Aim(f"under {microseconds:g} µs beside the floor", reached)


def _tail_below(multiple: float) -> Aim:
    def reached(result: Result, _: Results) -> bool | None:
        return None if result.tail is None else result.tail < multiple

    return Aim(f"p99 below {multiple:g} x p50", reached)


def _per_second(rate: int) -> Aim:
    return Aim(f"{rate:,} a second", lambda result, _: result.ours >= rate)


def _as_in(step: str, *, at_least: float) -> Aim:
    def reached(result: Result, others: Results) -> bool | None:
        return result.ours >= at_least * others[step].ours if step in others else None

    return Aim(f"{at_least:g} x {step}", reached)


AIMS: Mapping[str, tuple[Aim, ...]] = {
    "pay/sqlite": (_of_stock(2.1), _of_floor(0.25)),
    "pay/postgres": (_of_stock(2.3), _of_floor(0.36)),
    "pay/postgres/4": (_of_stock(2.4), _of_floor(0.42)),
    "import/sqlite": (_of_stock(2.2), _of_floor(0.2)),
    "import/postgres": (_of_stock(2.8), _of_floor(0.22)),
    "derive": (_under_milliseconds(0.042),),
    "read/sqlite": (_of_stock(7), _of_floor(0.22)),
    "read/postgres": (_of_stock(9), _of_floor(0.36)),
    "audit/sqlite": (_of_stock(3), _as_in("read/sqlite", at_least=0.3)),
    "audit/postgres": (_of_stock(3), _as_in("read/postgres", at_least=0.3)),
    "audit/sqlite/2": (_of_floor(1.8),),
    "catchup/sqlite": (_of_stock(80),),
    "catchup/postgres": (_of_stock(140),),
    "seal/sqlite": (_beside_floor(3),),
    "seal/postgres": (_beside_floor(3),),
    "export/parquet": (_of_floor(0.5),),
    "columns": (_of_stock(200), _of_floor(0.3)),
    "check/hledger": (_of_program(10),),
    "check/beancount": (_of_program(10),),
    "mixed/sqlite": (_of_floor(0.8), _tail_below(5)),
    "mixed/postgres": (_of_floor(0.8), _tail_below(5)),
    "overdue/1M": (_under_milliseconds(10),),
    "balance/1M": (_under_milliseconds(10),),
    "portfolio/1M": (_under_milliseconds(10),),
    "close/10k": (_per_second(19_400),),
    "close/100k": (_per_second(10_800), _as_in("close/10k", at_least=0.5)),
    "close/1M": (_per_second(6_600), _as_in("close/10k", at_least=0.5)),
}
"""By step, as the design has them: late payers have no aims of their own.

Closing should be twice as fast as in release 0.1.0 at first, on the same machine, and depend on the outcomes due, not
on the size of the book.
"""


def row(result: Result, results: Results) -> str:
    """Return a line of the table; `results` are those of the run so far."""
    ratios = _number(times_stock(result), "12.2f"), _number(times_floor(result), "12.3f")
    rates = _number(result.ours, "12,.0f"), _number(result.stock, "12,.0f"), _number(result.floor, "12,.0f")
    aims = ", ".join(f"{aim.words}: {verdict(aim.reached(result, results))}" for aim in AIMS.get(result.step, ()))
    milliseconds = f"{_MILLISECONDS / result.ours:>10.3f}"
    return f"{result.step:<22}{''.join(rates)}{milliseconds}{''.join(ratios)}   {aims}".rstrip()


def _number(value: float | None, form: str) -> str:
    return f"{'n/a':>12}" if value is None else f"{value:{form}}"


def verdict(reached: bool | None) -> str:  # noqa: FBT001  # its only argument
    """Return whether an aim is reached, in words."""
    return "not compared" if reached is None else "reached" if reached else "not reached"


def legend(environment: Iterable[str]) -> str:
    """Return the text below the table: the units, then the environment."""
    return (
        "Per second: payments (pay), stored events (import, read, audit, catchup, seal, pack, export, columns,\n"
        "check), plans (derive, close), queries (overdue, balance, portfolio), payments and queries (mixed; its\n"
        "floor: the mean of each alone). The floor of audit/sqlite/2 is the same work in one process; in place of\n"
        "stock, check has the program that it names.\n"
        "Only the ratios mean anything.\n"
        f"{', '.join(environment)}"
    )


def as_json(results: Sequence[Result]) -> str:
    """Return the results as a JSON list, in operations per second; null where a side has no such operation."""
    return json.dumps([asdict(result) for result in results], indent=2)


def write(path: Path, results: Sequence[Result], environment: Sequence[str]) -> None:
    """Write a run to a file, to draw a picture of it later."""
    run = {"environment": list(environment), "results": [asdict(result) for result in results]}
    path.write_text(json.dumps(run, indent=2) + "\n")


def read(path: Path) -> tuple[list[Result], list[str]]:
    """Return the results of a written run, and its environment."""
    run = json.loads(path.read_text())
    return [Result(**result) for result in run["results"]], run["environment"]
