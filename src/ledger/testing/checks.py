"""Named checks: properties that every ledger of these plans has, each defined once.

A check is judged on a `Witness`, a ledger under test beside the referee: by a machine that drives it, and by
`ledger.testing.recorded_checks` on a ledger that has long been written. Three kinds:

* of answers: what one answer must be, by itself or by the reference model;
* of stillness: which answers a change must leave as they were;
* of calls: what becomes of a call.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from typing import Any, Literal, Protocol

import attrs

from ledger.errors import InvalidArgument
from ledger.testing.calls import Call
from ledger.testing.referee import Referee, Verdict

Difference = tuple[str, str]
"""The expected and the found, in words."""


class Asking(Protocol):
    """What a check of answers may look at: the referee, and other answers of the ledger."""

    referee: Referee

    def fetch(self, question: Call) -> Any:
        """Return the ledger's answer in canonical form; a `Verdict` if it refuses."""
        ...


Judge = Callable[[Asking, Call, Any], Iterator[Difference]]


@attrs.frozen(kw_only=True)
class Change:
    """A call that may change the ledger, and what the rules say to it."""

    call: Call
    verdict: Verdict


@attrs.frozen(kw_only=True)
class Check:
    """A named property: its sentence, the section of the rules, and the capabilities that it needs.

    `judge` finds differences in one answer to a question named in `of`; `still` says whether a change must leave the
    answer to a question as it was. A check of calls has neither: whoever makes the calls judges them.
    """

    name: str
    sentence: str
    rule: str
    needs: frozenset[str] = frozenset()
    of: frozenset[str] = frozenset()
    judge: Judge | None = None
    still: Callable[[Change, Call], bool] | None = None

    @property
    def kind(self) -> Literal["answers", "stillness", "calls"]:
        """Whether the check is one of answers, of stillness, or of calls."""
        if self.judge is not None:
            return "answers"
        return "calls" if self.still is None else "stillness"

    def missing(self, capabilities: Collection[str]) -> tuple[str, ...]:
        """Return the capabilities without which the check cannot be run."""
        return tuple(sorted(self.needs - set(capabilities)))


# ---- of answers


def _equals_model(asking: Asking, question: Call, answer: Any) -> Iterator[Difference]:
    if question.arguments["known_at"] is None:
        yield from differences(asking.referee.answer(question), answer)


def _prefix(asking: Asking, question: Call, answer: Any) -> Iterator[Difference]:
    if question.arguments["known_at"] is not None:
        yield from differences(asking.referee.answer(question), answer)


def _conserved(asking: Asking, question: Call, answer: Any) -> Iterator[Difference]:
    if isinstance(answer, Verdict):
        return
    plan = asking.referee.plans.get(str(question.plan_id))
    if plan is None:
        return
    held = [answer[f"shares_{name}"] for name in ("credited", "promised", "forfeited")]
    if sum(held) != plan.terms.shares:
        words = " + ".join(f"{shares:,}" for shares in held)
        yield f"credited + promised + forfeited = {plan.terms.shares:,} shares", f"{words} = {sum(held):,}"
    paid, outstanding = answer["paid"]["minor"], answer["outstanding"]["minor"]
    if paid + outstanding != plan.terms.price:
        yield f"paid + outstanding = {plan.terms.price}", f"{paid} + {outstanding} = {paid + outstanding}"
    numbers = {name: value for name, value in answer.items() if type(value) is int}
    numbers |= {name: answer[name]["minor"] for name in ("paid", "outstanding", "unapplied")}
    for name, number in numbers.items():
        if number < 0:
            yield f"{name} is not negative", f"{name} is {number}"


def _list_of_those_in_grace(asking: Asking, question: Call, answer: Any) -> Iterator[Difference]:
    if isinstance(answer, Verdict):
        return
    late = []
    for _, position in _positions(asking, question):
        if position["status"] == "in_grace":
            late.append((position["grace_ends_on"], position["plan_id"]))
    listed = [(row["grace_ends_on"], row["plan_id"]) for row in answer]
    if listed != sorted(late):
        yield _named(sorted(late)), _named(listed)


def _sums(asking: Asking, question: Call, answer: Any) -> Iterator[Difference]:
    if isinstance(answer, Verdict):
        return
    expected: dict[str, dict[str, Any]] = {}
    for investor, position in _positions(asking, question):
        row = expected.setdefault(investor, {"investor": investor, "plans": 0})
        row["plans"] += 1
        for name in ("shares_credited", "shares_promised", "shares_forfeited", "bonus_credited", "bonus_promised"):
            row[name] = row.get(name, 0) + position[name]
    yield from differences([expected[investor] for investor in sorted(expected)], answer)


def _positions(asking: Asking, question: Call) -> Iterator[tuple[str, Any]]:
    """Yield the investor and the position of every plan that is there, as the ledger under test answers."""
    for plan_id, plan in sorted(asking.referee.plans.items()):
        position = asking.fetch(Call("position", plan_id, question.arguments))
        if not isinstance(position, Verdict):
            yield plan.investor, position


def _named(rows: Collection[tuple[date, str]]) -> str:
    return ", ".join(f"{plan_id} (grace ends {ends})" for ends, plan_id in rows) or "nobody"


# ---- of stillness


def _refused(change: Change, _: Call) -> bool:
    return change.verdict.kind == "refused"


def _repeated(change: Change, _: Call) -> bool:
    return change.verdict.kind == "repeated"


def _closed(change: Change, _: Call) -> bool:
    return change.call.name == "close"


def _rebuilt(change: Change, _: Call) -> bool:
    return change.call.name == "rebuild"


def _restarted(change: Change, _: Call) -> bool:
    return change.call.name == "restart"


def _earlier(change: Change, question: Call) -> bool:
    on = change.verdict.effective_on
    return on is not None and question.arguments["as_of"] < on


def _of_another_plan(change: Change, question: Call) -> bool:
    return question.name == "position" and change.call.plan_id not in (None, question.plan_id)


def _known_before(change: Change, question: Call) -> bool:
    known_at = question.arguments["known_at"]
    return known_at is not None and known_at < change.call.arguments.get("recorded_at", known_at)


# ---- the table

_POSITION, _OVERDUE, _BALANCES = frozenset({"position"}), frozenset({"overdue"}), frozenset({"balances"})
_ALL = (
    Check(
        name="answers_every_call",
        sentence="every call is answered: in time, in the form of an answer, and without an error of another kind",
        rule="ledger.testing.LedgerPort",
    ),
    Check(
        name="decides_as_the_rules",
        sentence="a command is recorded, taken for a repetition or refused as the rules say",
        rule="RULES.md sections 5, 6, 9 and 10",
    ),
    Check(
        name="order_of_knowledge",
        sentence="facts of different days give the same plan, in whatever order they become known",
        rule="RULES.md section 10",
    ),
    Check(
        name="conservation",
        sentence="credited, promised and forfeited shares are the package, paid and outstanding money the price",
        rule="RULES.md section 8",
        of=_POSITION,
        judge=_conserved,
    ),
    Check(
        name="position_equals_model",
        sentence="the position of a plan on a date is that of the reference model",
        rule="RULES.md sections 3 to 10",
        of=_POSITION,
        judge=_equals_model,
    ),
    Check(
        name="overdue_equals_model",
        sentence="the overdue list on a date is that of the reference model, whatever has been closed or asked before",
        rule="RULES.md section 6",
        needs=_OVERDUE,
        of=_OVERDUE,
        judge=_equals_model,
    ),
    Check(
        name="balances_equal_model",
        sentence="the balances on a date are those of the reference model",
        rule="RULES.md section 8",
        needs=_BALANCES,
        of=_BALANCES,
        judge=_equals_model,
    ),
    Check(
        name="overdue_is_those_in_grace",
        sentence="the overdue list holds the plans whose own position is in grace, the most urgent first",
        rule="RULES.md section 6",
        needs=_OVERDUE,
        of=_OVERDUE,
        judge=_list_of_those_in_grace,
    ),
    Check(
        name="balances_are_sums",
        sentence="the balances of an investor are the sums over the positions of the investor's plans",
        rule="RULES.md section 8",
        needs=_BALANCES,
        of=_BALANCES,
        judge=_sums,
    ),
    Check(
        name="as_known_is_a_prefix",
        sentence="as known at an instant, every answer is that of what was recorded by then, and of nothing later",
        rule="RULES.md section 1",
        needs=frozenset({"known_at"}),
        of=frozenset({"position", "overdue", "balances"}),
        judge=_prefix,
    ),
    Check(
        name="refused_records_nothing",
        sentence="a refused command leaves every answer as it was",
        rule="RULES.md section 5",
        still=_refused,
    ),
    Check(
        name="repeat_changes_nothing",
        sentence="a repeated command leaves every answer as it was",
        rule="RULES.md section 5",
        still=_repeated,
    ),
    Check(
        name="late_close_equals_daily_close",
        sentence="closing the books, daily, once after an outage or never, leaves every answer as it was",
        rule="RULES.md section 10",
        needs=frozenset({"close"}),
        still=_closed,
    ),
    Check(
        name="no_answer_from_the_future",
        sentence="a fact leaves every answer about an earlier date as it was",
        rule="RULES.md section 1",
        still=_earlier,
    ),
    Check(
        name="plans_are_apart",
        sentence="a command on one plan leaves every other plan as it was",
        rule="RULES.md section 1",
        still=_of_another_plan,
    ),
    Check(
        name="knowledge_stays",
        sentence="what is recorded now leaves every answer as known before as it was",
        rule="RULES.md section 1",
        needs=frozenset({"known_at"}),
        still=_known_before,
    ),
    Check(
        name="incremental_equals_rebuilt",
        sentence="read models that are derived again give the answers that they gave before",
        rule="RULES.md section 1",
        needs=frozenset({"rebuild"}),
        still=_rebuilt,
    ),
    Check(
        name="restart_forgets_nothing",
        sentence="after a restart every answer is as it was before",
        rule="RULES.md section 1",
        needs=frozenset({"restart"}),
        still=_restarted,
    ),
)
CHECKS: Mapping[str, Check] = {check.name: check for check in _ALL}
"""Every check, by name."""


def chosen(names: Collection[str] | None) -> tuple[Check, ...]:
    """Return the checks of these names, all without any. Raises `InvalidArgument` for a name that there is not."""
    if names is None:
        return _ALL
    for name in [names] if isinstance(names, str) else names:
        if name not in CHECKS:
            raise InvalidArgument(argument="checks", given=name, expected=f"some of {', '.join(CHECKS)}")
    return tuple(check for check in _ALL if check.name in names)


# ---- differences in words


def differences(expected: Any, found: Any) -> Iterator[Difference]:
    """Yield where a found answer departs from the expected one: the fields, or the rows, that differ."""
    if expected == found:
        return
    if isinstance(expected, dict) and isinstance(found, dict):
        names = [name for name in expected if expected[name] != found.get(name)]
        yield _fields(expected, names), _fields(found, names)
    elif isinstance(expected, list) and isinstance(found, list):
        pairs = list(zip(expected, found, strict=False))
        differing = next((pair for pair in pairs if pair[0] != pair[1]), None)
        if differing is None:
            yield _rows(expected), _rows(found)
        elif _row(differing[0]) == _row(differing[1]):
            of, (expected_row,), (found_row,) = _row(differing[0]), [differing[0]], [differing[1]]
            names = [name for name in expected_row if expected_row[name] != found_row.get(name)]
            yield f"{of}: {_fields(expected_row, names)}", f"{of}: {_fields(found_row, names)}"
        else:
            yield _rows(expected), _rows(found)
    else:
        yield _said(expected), _said(found)


def _said(answer: Any) -> str:
    if isinstance(answer, Verdict):
        return str(answer)
    return _rows(answer) if isinstance(answer, list) else f"an answer with status {answer['status']!r}"


def _rows(rows: list[dict[str, Any]]) -> str:
    return f"{len(rows)} rows ({', '.join(map(_row, rows))})" if rows else "no row"


def _row(row: dict[str, Any]) -> str:
    return str(row.get("plan_id", row.get("investor")))


def _fields(answer: Mapping[str, Any], names: Collection[str]) -> str:
    return ", ".join(f"{name} {shown(answer.get(name))}" for name in names)


def shown(value: Any) -> str:
    """Return a plain value in words: money as `15000 USD`, dates in ISO 8601, an installment by its fields."""
    if isinstance(value, dict) and value.keys() == {"minor", "currency"}:
        return f"{value['minor']} {value['currency']}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} {shown(item)}" for name, item in value.items()) + "}"
    return value.isoformat() if isinstance(value, date) else str(value)
