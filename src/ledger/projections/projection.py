"""Projection: what a read model is made of. Data and pure functions; the read model's runner fills the tables.

A projection of your own is declared in the same way as the one that the lists are read from (`periods.py`), and passed
to `Ledger.open(projections=[…])`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property

import attrs

from ledger.errors import InvalidArgument, arguments
from ledger.plan import Plan
from ledger.store import OWN_TABLES

Cell = int | str | date | None
"""A value of a row."""

Row = Sequence[Cell]
"""A row of a table: the values of its columns, in their order."""

_WORD = re.compile(r"[a-z][a-z_]{0,29}")
_TYPES: Mapping[object, str] = {
    int: "BIGINT NOT NULL",
    int | None: "BIGINT",
    str: "TEXT NOT NULL",
    str | None: "TEXT",
    date: "TEXT NOT NULL",
    date | None: "TEXT",
}
"""The types of columns. Dates are stored as ISO text, which sorts as they do."""


def _check_words(argument: str, words: Sequence[str]) -> None:
    for word in words:
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            expected = "lower-case words of at most 30 letters and underscores"
            raise InvalidArgument(argument=argument, given=word, expected=expected)


@attrs.frozen(kw_only=True)
class Index:
    """An index on columns of a table; `where` is a condition in SQL that its rows meet."""

    columns: Sequence[str]
    where: str = ""


@attrs.frozen(kw_only=True)
class PlanTable:
    """A table with rows of plans: a plan's rows are replaced whenever the plan changes.

    `columns` maps names to types (`int`, `str`, `date`, or one of them with `None`); the first column is `plan_id`.
    `key` is the primary key: `plan_id`, and more where a plan has several rows. `every_plan`: no plan is without a row,
    so that a table without any is known to have been lost.
    """

    name: str
    columns: Mapping[str, object]
    key: Sequence[str] = ("plan_id",)
    indexes: Sequence[Index] = ()
    every_plan: bool = False

    def __attrs_post_init__(self) -> None:
        _check_table(self.name, self.columns, self.key)
        if next(iter(self.columns)) != "plan_id" or self.columns["plan_id"] is not str or self.key[0] != "plan_id":
            raise InvalidArgument(argument="columns", given=tuple(self.columns), expected="plan_id, a str, first")


@attrs.frozen(kw_only=True)
class TotalsTable:
    """A table of sums over all plans: a row for each value of `key`, and the measures added up.

    `totals` is a pure function from the rows that a plan has in the table `of` to what it adds to each key: integers,
    one per measure, which may be negative.
    """

    name: str
    key: Mapping[str, object]
    measures: Sequence[str]
    of: str
    totals: Callable[[Sequence[Row]], Mapping[tuple[Cell, ...], Sequence[int]]]

    def __attrs_post_init__(self) -> None:
        _check_table(self.name, self.columns, tuple(self.key))

    @property
    def columns(self) -> Mapping[str, object]:
        """The columns of the key, then the measures."""
        return {**self.key, **dict.fromkeys(self.measures, int)}


def _check_table(name: str, columns: Mapping[str, object], key: Sequence[str]) -> None:
    _check_words("name", [name])
    if name in OWN_TABLES:
        expected = f"another word: {', '.join(OWN_TABLES)} are tables of the ledger itself"
        raise InvalidArgument(argument="name", given=name, expected=expected)
    _check_words("columns", list(columns))
    for column, kind in columns.items():
        if kind not in _TYPES:
            raise InvalidArgument(argument=column, given=kind, expected="int, str or date, or one of them with None")
    if not key or not set(key) <= columns.keys():
        raise InvalidArgument(argument="key", given=tuple(key), expected="columns of the table")


@attrs.frozen(kw_only=True)
class Projection:
    """A read model in the making: a name, a schema version, tables, and a pure function that fills them.

    `rows` returns, by the name of its table, the rows of one plan: from the plan alone, so that they can be derived
    again at any time. Raise `version` with every change of the tables or of `rows`: a ledger that has the tables of a
    lower one derives them again, beside those that answer meanwhile.
    """

    name: str
    version: int
    tables: Sequence[PlanTable]
    rows: Callable[[Plan], Mapping[str, Sequence[Row]]]
    totals: Sequence[TotalsTable] = ()

    def __attrs_post_init__(self) -> None:
        _check_words("name", [self.name])
        arguments.whole("version", self.version, minimum=1)
        names = [table.name for table in self.all_tables()]
        if not self.tables or len(set(names)) < len(names):
            raise InvalidArgument(argument="tables", given=names, expected="tables with names of their own")
        for totals in self.totals:
            arguments.one_of("of", totals.of, [table.name for table in self.tables])

    def all_tables(self) -> list[PlanTable | TotalsTable]:
        """Return every table: those of plans, then those of totals."""
        return [*self.tables, *self.totals]

    def definition(self) -> str:
        """Return a digest of the tables' columns and keys: the same for the same tables."""
        return self._definition

    @cached_property
    def _definition(self) -> str:
        described = [
            (table.name, [(column, _TYPES[kind]) for column, kind in table.columns.items()], list(table.key))
            for table in self.all_tables()
        ]
        return hashlib.sha256(repr(described).encode()).hexdigest()[:16]


def sql_type(kind: object) -> str:
    """Return the SQL type of a column."""
    return _TYPES[kind]
