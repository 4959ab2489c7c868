"""The command that compares two answers to one question, and shows what was learnt between them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from ledger.audit.restate import Answer, Learnt, Restatement, restate_many, restate_plan
from ledger.audit.restate.answers import MONEY
from ledger.books import columns
from ledger.cli import rendering
from ledger.cli.evidence import reading
from ledger.cli.options import AsJson, Day, Location, UsageError
from ledger.cli.paragraphs import paragraph
from ledger.cli.rendering import counted
from ledger.cli.tables import Column, Table, print_table, width_of_output
from ledger.dates import EndOfDay, Known
from ledger.errors import InvalidArgument, PlanNotFound
from ledger.errors.excerpt import visible
from ledger.events import RECEIPT
from ledger.money import Money

_TOGETHER = "\N{NO-BREAK SPACE}"
"""Stands where a line does not end: between a name, its number and its unit."""

_MOMENTS = 2
"""Moments that are compared."""

_NAMES: Mapping[str, str] = {
    "plans": "Plans",
    "active": "  active",
    "in_grace": "  in grace",
    "cancelled": "  cancelled",
    "completed": "  completed",
    "price": "Price",
    "price_in_cancelled": "  of cancelled plans",
    "paid": "Paid",
    "paid_in_cancelled": "  in cancelled plans",
    "outstanding": "Outstanding",
    "unapplied": "Unapplied",
    "unallocated": "Received, not allocated",
    "settled": "Installments settled",
    "days_past_due": "Days past due",
    "shares_credited": "Shares credited",
    "shares_promised": "Shares promised",
    "shares_forfeited": "Shares forfeited",
    "bonus_credited": "Bonus credited",
    "bonus_promised": "Bonus promised",
}
"""The numbers in the order of the table, with their names there."""


def _moments(_: Any, tokens: Sequence[Any]) -> tuple[date | datetime, ...]:
    try:
        return tuple(columns.date_or_instant(token.value) for token in tokens)
    except InvalidArgument as error:
        raise ValueError(f"expected {error.expected}") from None


KnownAts = Annotated[
    tuple[date | datetime, ...], Parameter(name="--known-at", converter=_moments, negative="", n_tokens=1)
]
AsOfDay = Annotated[Day, Parameter(name="--as-of")]


def restate(
    plan: str | None = None,
    *,
    as_of: AsOfDay,
    known_at: KnownAts,
    investor: str | None = None,
    partner: str | None = None,
    json: AsJson = False,
    location: Location,
) -> None:
    """Compare what was known at two moments about a plan or many, and show the difference that each fact made.

    Parameters
    ----------
    plan
        The plan's id; without one, all plans.
    as_of
        The day of the question.
    known_at
        The first moment, an instant or the end of a day; given twice, the second too; default: all that is recorded.
    investor
        Only the plans of this investor.
    partner
        Only the plans of this partner.
    json
        Print JSON instead of tables.
    """
    if len(known_at) > _MOMENTS:
        raise UsageError("--known-at is given once or twice: two moments are compared")
    if plan is not None and (investor or partner):
        raise UsageError("a plan is one investor's and one partner's: leave out --investor and --partner")
    first, then = _known(known_at[0]), _known(known_at[1]) if len(known_at) == _MOMENTS else None
    with reading(location) as reader:
        if plan is not None:
            history = reader.history(plan)
            if not history:
                raise PlanNotFound(plan_id=plan)
            found = restate_plan(history, as_of=as_of, known_at=first, then=then)
        else:
            found = restate_many(reader, as_of=as_of, known_at=first, then=then, investor=investor, partner=partner)
    if json:
        rendering.print_json(found)
    else:
        _print(found)
    for left_out in found.quarantined:
        place = f"version {left_out.version} ({left_out.event})"
        rendering.say(f"left out: plan {left_out.plan_id}, {place}: {left_out.reason}", file=sys.stderr)


def _known(given: date | datetime) -> Known:
    return given if isinstance(given, datetime) else EndOfDay(given)


def _print(found: Restatement) -> None:
    """Print the two answers side by side, and the facts that make a difference."""
    print_table(_answers_table(found))
    matter = [one for one in found.learnt if one.matters]
    others = len(found.learnt) - len(matter)
    if matter:
        print("\n".join(_learnt_lines(matter, width=width_of_output())))
    if others:
        more = "other " if matter else ""
        rendering.say(f"{counted(others, f'{more}fact')} learnt, without a difference on {found.as_of}.")


def _answers_table(found: Restatement) -> Table:
    then = "now" if found.known_then is None else str(found.known_then)
    heading = Column(""), Column(str(found.known_first), number=True), Column(then, number=True)
    rows: list[tuple[str, ...]] = []
    statuses = found.before.status, found.after.status
    if any(statuses):
        rows.append(("Status", *map(_status, statuses), ""))
    currencies = sorted(found.before.numbers.keys() | found.after.numbers.keys())
    for currency in currencies:
        rows += [(currency, "", "", "")] if len(currencies) > 1 else []
        rows += _number_rows(found.before, found.after, currency)
    return Table(_title(found), (*heading, Column("difference", number=True)), rows)


def _title(found: Restatement) -> str:
    of = [f"plan {found.plan_id}"] if found.plan_id is not None else []
    of += [f"{word} {name}" for word, name in (("investor", found.investor), ("partner", found.partner)) if name]
    subject = ", ".join(of) or "portfolio"
    return f"{subject[0].upper()}{subject[1:]} on {found.as_of}, as known at"


def _number_rows(before: Answer, after: Answer, currency: str) -> Iterator[tuple[str, ...]]:
    """Yield a row for each number that is not 0 in both answers."""
    then, now = before.numbers.get(currency, {}), after.numbers.get(currency, {})
    for name, label in _NAMES.items():
        numbers = then.get(name, 0), now.get(name, 0)
        if any(numbers):
            difference = _signed(name, numbers[1] - numbers[0], currency) if numbers[0] != numbers[1] else ""
            yield (label, *(_number(name, number, currency) for number in numbers), difference)


def _learnt_lines(learnt: Sequence[Learnt], *, width: int) -> Iterator[str]:
    """Yield the lines of the facts, each with the difference that it makes below it, and an empty line."""
    yield f"{counted(len(learnt), 'fact')} learnt, in recorded order (UTC)"
    yield ""
    for one in learnt:
        fact = one.fact
        at = fact.recorded_at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
        key = f" {fact.key}" if fact.key != fact.stream_id else ""
        stream = "receipt" if fact.kind == RECEIPT else "plan"
        described = f"{stream} {fact.stream_id}, version {fact.version}: {rendering.described(fact)}{key}"
        yield from paragraph(visible(f"{at} {described}, effective {fact.event.effective_on}"), width=width)
        yield from paragraph("; ".join(_differences(one)), width=width, first="   ", others="   ")
    yield ""


def _differences(one: Learnt) -> Iterator[str]:
    if one.status_before != one.status_after:
        yield f"{_status(one.status_before) or 'no plan'} → {_status(one.status_after) or 'no plan'}"
    for currency, numbers in one.difference.items():
        for name in _NAMES:
            if number := numbers.get(name):
                yield f"{name.replace('_', ' ')} {_signed(name, number, currency)}".replace(" ", _TOGETHER)


def _status(status: str | None) -> str:
    return (status or "").replace("_", " ")


def _number(name: str, number: int, currency: str) -> str:
    return f"{Money(number, currency):,}" if name in MONEY else f"{number:,}"


def _signed(name: str, number: int, currency: str) -> str:
    return f"{'+' if number > 0 else '−'}{_number(name, abs(number), currency)}"
