"""Explanations: a number of a plan as a tree, down to the events and the rules that give it, and the reasons why not.

`explain` answers from the plan's timeline, steps and grounds; `evaluate` computes a tree again from recorded events.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Literal, get_args

import attrs

from ledger.audit.explain import bonus, money, overdue, shares, status, unearned
from ledger.audit.explain.case import Case
from ledger.audit.explain.tree import Node as Node
from ledger.audit.explain.tree import Reason as Reason
from ledger.audit.explain.tree import Source as Source
from ledger.audit.explain.tree import evaluate as evaluate
from ledger.dates import EndOfDay, Known, civil_date, known_by
from ledger.errors import PlanNotFound, arguments
from ledger.events import RecordedEvent
from ledger.plan import Plan, known

Subject = Literal["shares", "bonus", "status", "paid", "overdue"]
"""The number that is asked about.

`shares`: the shares of the package credited, beside those promised and forfeited. `bonus`: the bonus shares credited,
beside those promised. `status`: the status. `paid`: the money paid, beside that outstanding and unapplied. `overdue`:
the days past due, beside the end of grace, the days left, the amount due and the shares at stake.
"""

SUBJECTS: Sequence[Subject] = get_args(Subject)


@attrs.frozen(kw_only=True)
class Explanation:
    """A number of a plan on the date `as_of`, as known at `known_at` (None: by all that is recorded), explained.

    `tree` is the number, `beside` are the numbers that belong to it, `reasons` say why there is not more or why it is
    so. Money in the tree is in minor units of `currency`.
    """

    plan_id: str
    subject: Subject
    as_of: date
    known_at: date | datetime | None
    currency: str
    tree: Node
    beside: tuple[Node, ...]
    reasons: tuple[Reason, ...]


def explain(
    history: Iterable[RecordedEvent], subject: Subject, *, as_of: date, known_at: Known | None = None
) -> Explanation:
    """Explain a number of the plan with this history, oldest event first, on a date and as known at an instant.

    Raises `PlanNotFound` for a date before the opening and if nothing was known, `CorruptHistory` for a history that
    cannot have been recorded, `InvalidArgument`. Source: RULES.md sections 4 to 10.
    """
    arguments.one_of("subject", subject, SUBJECTS)
    as_of = civil_date("as_of", as_of)
    at = None if known_at is None else known_by("known_at", known_at)
    stream = list(history)
    events = known(stream, at)
    if not events:
        plan_id = stream[0].stream_id if stream else ""
        raise PlanNotFound(plan_id=plan_id, known_at=_moment(at))
    plan = Plan(events)
    case = Case(plan, as_of)
    tree, beside, reasons = _SUBJECTS[subject]
    return Explanation(
        plan_id=plan.plan_id,
        subject=subject,
        as_of=as_of,
        known_at=_moment(at),
        currency=plan.opened.terms.price.currency,
        tree=tree(case),
        beside=tuple(beside(case)),
        reasons=tuple(reasons(case)),
    )


def _moment(known_at: Known | None) -> date | datetime | None:
    return known_at.day if isinstance(known_at, EndOfDay) else known_at


_Builders = tuple[Callable[[Case], Node], Callable[[Case], Iterable[Node]], Callable[[Case], Iterator[Reason]]]

_SUBJECTS: Mapping[Subject, _Builders] = {
    "shares": (shares.credited, lambda case: (shares.promised(case), shares.forfeited(case)), shares.reasons),
    "bonus": (bonus.credited, lambda case: (bonus.promised(case),), unearned.reasons),
    "status": (status.status, lambda _: (), status.status_reasons),
    "paid": (money.paid, lambda case: (money.outstanding(case), money.unapplied(case)), money.reasons),
    "overdue": (overdue.days_past_due, overdue.beside, overdue.reasons),
}
