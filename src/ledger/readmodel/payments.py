"""The read model of payments, as questions read it: by reference, plan and investor."""

from collections.abc import Sequence

from ledger.projections.payments import PAYMENTS, PaymentRow, StoredPayment
from ledger.readmodel.periods import Filters
from ledger.readmodel.tables import Tables, marks, reader_of

_COLUMNS = PAYMENTS.tables[0].columns
_stored = reader_of(_COLUMNS, StoredPayment._make)


def payments(tables: Tables, filters: Filters, *, after: Sequence[str], limit: int | None) -> list[PaymentRow]:
    """Return up to `limit` payments with these values after a reference and plan id, in the order of both."""
    wanted = {column: value for column, value in filters.items() if value is not None}
    conditions = [*(f"{column} = ?" for column in wanted), f"(reference, plan_id) > ({marks(after)})"]
    page = "" if limit is None else " LIMIT ?"
    sql = (
        f"SELECT {', '.join(_COLUMNS)} FROM {tables.name('payments')} WHERE {' AND '.join(conditions)} "
        f"ORDER BY reference, plan_id{page}"
    )
    return [
        _stored(row).row() for row in tables.query(sql, (*wanted.values(), *after, *([] if limit is None else [limit])))
    ]
