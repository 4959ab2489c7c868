"""A file of terms for single plans: their id, and the columns of the terms that are other than agreed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ledger.audit.reconcile.csv_file import CsvFile, UnusableRow
from ledger.audit.what_if import OtherTerms
from ledger.books import columns
from ledger.books.columns import Malformed

READERS: Mapping[str, Callable[[str], Any]] = {
    "grace_days": columns.whole,
    "release": columns.release,
    "promos": columns.promos,
    "stacking": columns.stacking,
    "reinstatement": columns.reinstatement,
}
"""The terms that may be other than agreed, each with the reader of its text: the forms of the columns of a book."""


def read_terms(path: Path) -> Mapping[str, OtherTerms]:
    """Return other terms by plan id; an empty cell leaves a term as it was agreed.

    Raises `UnusableFile`, also for the first row that is malformed, or names a plan again.
    """
    found: dict[str, OtherTerms] = {}
    for row in CsvFile.open(path, required=("plan_id",), allowed=tuple(READERS)).rows():
        try:
            if isinstance(row.cells, Malformed):
                raise row.cells
            plan_id = row.cells.read("plan_id", columns.text)
            if plan_id in found:
                raise Malformed.cell("plan_id", plan_id, "a plan that no line before names")
            terms = {name: row.cells.optional(name, reader, None) for name, reader in READERS.items()}
            found[plan_id] = OtherTerms(**terms)
        except Malformed as error:
            raise UnusableRow(argument=f"{path}, line {row.line}", given=None, expected=str(error)) from None
    return found
