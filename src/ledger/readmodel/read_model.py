"""A read model as it is offered to questions of a service's own."""

from collections.abc import Sequence

from ledger.errors import InvalidArgument, arguments
from ledger.readmodel.runner import Runner
from ledger.readmodel.tables import Tables
from ledger.store import Quarantined, Value, Values

_WRITING = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "TRUNCATE", "CREATE", "ALTER", "DROP", "COPY")
"""The beginnings of statements that write; what else writes is refused by the database or taken back."""


class ReadModel:
    """The tables of a projection, caught up with the ledger when they are asked unless that is a follower's work."""

    def __init__(self, runner: Runner, *, catch_up: bool) -> None:
        self._runner = runner
        self._catch_up = catch_up

    def query(self, sql: str, parameters: Values = ()) -> list[tuple[Value, ...]]:
        """Return the rows of a SELECT; `{name}` stands for a table of the projection, `?` for a parameter.

        Dates come as ISO text, and are compared as such. Nothing can be written. Raises `InvalidArgument` for a table
        that is not there, and for another statement.
        """
        words = arguments.instance("sql", sql, str, "a SELECT").split(maxsplit=1)
        if not words or words[0].upper() in _WRITING:
            raise InvalidArgument(argument="sql", given=sql, expected="a SELECT")
        names = [table.name for table in self._runner.projection.all_tables()]

        def ask(tables: Tables) -> list[tuple[Value, ...]]:
            try:
                filled = sql.format_map({name: tables.name(name) for name in names})
            except (KeyError, ValueError, IndexError):
                expected = f"a SELECT in which {{name}} is one of the tables {', '.join(names)}"
                raise InvalidArgument(argument="sql", given=sql, expected=expected) from None
            with tables.snapshot() as reading:
                return reading.query(filled, parameters)

        return self._runner.ask(ask, catch_up=self._catch_up)

    @property
    def reached(self) -> int:
        """The last sequence of the ledger that the read model has applied; 0 while it is being built."""
        return self._runner.reached()

    def quarantined(self, *, limit: int = 100) -> Sequence[Quarantined]:
        """Return up to `limit` plans that the read model leaves out, by plan id."""
        return self._runner.quarantined(limit=limit, catch_up=self._catch_up)
