"""The projection that the overdue list, balances, portfolio and closing are read from."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import get_type_hints

from ledger.dates import day_in
from ledger.plan import Plan
from ledger.projections.periods import Period, plan_periods
from ledger.projections.projection import Cell, Index, PlanTable, Projection, Row, TotalsTable
from ledger.projections.totals import MEASURES, daily_changes

_IN_GRACE = "status = 'in_grace'"


def _rows(plan: Plan) -> Mapping[str, Sequence[Row]]:
    periods, due_on = plan_periods(plan)
    zone = plan.opened.terms.timezone
    return {"periods": periods, "closings": [(plan.plan_id, zone, day_in(zone, plan.recorded_at), due_on)]}


def _totals(rows: Sequence[Row]) -> Mapping[tuple[Cell, ...], Sequence[int]]:
    return daily_changes(map(Period._make, rows))


PERIODS = Projection(
    name="periods",
    version=3,  # its totals are exact beyond 64 bits
    tables=(
        PlanTable(
            name="periods",
            columns={name: str if name == "status" else kind for name, kind in get_type_hints(Period).items()},
            key=("plan_id", "from_on"),
            every_plan=True,
            indexes=(
                Index(columns=("investor",)),
                Index(columns=("partner",)),
                Index(columns=("through_on", "from_on"), where=_IN_GRACE),
                Index(columns=("partner", "through_on", "from_on"), where=_IN_GRACE),
            ),
        ),
        PlanTable(
            name="closings",
            columns={"plan_id": str, "timezone": str, "recorded_on": date, "due_on": date | None},
            every_plan=True,
            indexes=(Index(columns=("due_on",)), Index(columns=("timezone", "recorded_on"))),
        ),
    ),
    rows=_rows,
    totals=(
        TotalsTable(
            name="totals",
            key={"timezone": str, "day": date, "currency": str},
            measures=MEASURES,
            of="periods",
            totals=_totals,
        ),
    ),
)
"""Each plan's periods, the day on which each next has something to close, and the portfolio's totals by day."""
