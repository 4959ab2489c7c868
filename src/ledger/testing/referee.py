"""The referee: what the rules say to each call, and to each question, by the reference model alone.

It keeps the facts of the calls that the rules allow, with the instant at which each was recorded, and lives every plan
again day by day. It shares no rule with the library: standard library only, apart from the digits of currencies.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from zoneinfo import ZoneInfo

import attrs

from ledger.audit import verify as model
from ledger.money import EXPONENTS
from ledger.testing.calls import Call

_PROMOS = {"on_time": "on_time", "package": "package", "double_payment": "double", "early_repayment": "early"}
_SHARES = ("shares_credited", "shares_promised", "shares_forfeited", "bonus_credited", "bonus_promised")


@cache
def _zone(name: str) -> ZoneInfo:
    """Return a time zone as the package `tzdata` has it: the files of a machine may be older or newer."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def day_of(zone: str, instant: datetime) -> date:
    """Return the civil date of an instant in a time zone."""
    return instant.astimezone(_zone(zone)).date()


def instant_of(zone: str, local: datetime) -> datetime:
    """Return the instant, UTC, at which clocks in a time zone show a naive time; the first of two."""
    return local.replace(tzinfo=_zone(zone)).astimezone(UTC)


# ---- terms in plain words


def plain_date(value: date | str) -> date:
    """Return a date that may be ISO text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def terms_of(plain: Mapping[str, Any], opened_on: date) -> model.Terms:
    """Return the terms of a plan as the reference model has them, from the dictionary that `to_dict` makes."""
    schedule, release = plain["schedule"], plain["release"]
    lines: tuple[Any, ...] = ("monthly",)
    first = plain.get("first_due_on")
    if schedule["kind"] == "every_days":
        lines = ("every", schedule["days"])
    elif schedule["kind"] == "explicit":
        lines = ("lines", tuple((plain_date(due_on), amount) for due_on, amount in schedule["lines"]))
        first = lines[1][0][0]
    kind = release["kind"]
    rate: Any = tuple(release["shares"]) if kind == "explicit" else Fraction(release[_RATES[kind]])
    return model.Terms(
        price=plain["price"]["minor"],
        exponent=EXPONENTS[plain["price"]["currency"]],
        shares=plain["shares"],
        installments=plain["installments"],
        rounding_unit=plain["rounding_unit"],
        release=(kind, rate),
        schedule=lines,
        first_due_on=opened_on if first is None else plain_date(first),
        grace_days=plain["grace_days"],
        promos=tuple(_promo(promo) for promo in plain["promos"]),
        stacking=plain["stacking"],
    )


_RATES = {"per_unit": "rate", "portion": "fraction"}


def _promo(plain: Mapping[str, Any]) -> model.Promo:
    more = {name: plain[name] for name in ("standard", "base", "credit") if name in plain}
    return model.Promo(_PROMOS[plain["kind"]], plain["code"], plain["rate_bp"], **more)


# ---- verdicts


@attrs.frozen
class Verdict:
    """What the rules say to a command: it is recorded from a date on, is a repetition, or is refused with a code."""

    kind: Literal["recorded", "repeated", "refused"]
    code: str | None = None
    effective_on: date | None = None

    def __str__(self) -> str:
        return {
            "recorded": "recorded",
            "repeated": "a repetition, which records nothing",
            "refused": f"refused ({self.code})",
        }[self.kind]


REPEATED = Verdict("repeated")


def _refused(code: str) -> Verdict:
    return Verdict("refused", code)


class _Plan:
    """A plan as the referee knows it: terms, facts in the order of recording, and reports on days already asked."""

    def __init__(self, call: Call, recorded_at: datetime) -> None:
        opening = call.arguments
        self.plan_id = str(call.plan_id)
        self.investor, self.partner = opening["investor"], opening["partner"]
        self.opened_on = opening["opened_on"]
        self.zone = opening["terms"]["timezone"]
        self.currency = opening["terms"]["price"]["currency"]
        self.policy = opening["terms"]["reinstatement"]
        self.terms = terms_of(opening["terms"], self.opened_on)
        self.opening = _content(call)
        self.opened_at = recorded_at
        self.calls: list[tuple[Call, date]] = [(call, self.opened_on)]  # those recorded, with their days
        self.facts: list[model.Fact] = []
        self.recorded_at: list[datetime] = []
        self.contents: dict[tuple[bool, str], tuple[Any, ...]] = {}  # by (a reversal?, reference)
        self.paid_on: dict[str, date] = {}
        self.latest: model.Plan | None = None
        self._reports: dict[int, dict[date, model.Report]] = {}

    @property
    def last_recorded_at(self) -> datetime:
        """The instant of the latest fact."""
        return self.recorded_at[-1] if self.recorded_at else self.opened_at

    def known(self, known_at: datetime | None) -> int | None:
        """Return the number of facts known at an instant; None if the plan was not."""
        if known_at is None:
            return len(self.facts)
        if known_at < self.opened_at:
            return None
        return sum(1 for at in self.recorded_at if at <= known_at)

    def reports(self, days: Iterable[date], *, facts: int) -> Mapping[date, model.Report]:
        """Return the reports on days, not before the opening, on the first so many facts; each day is lived once."""
        found = self._reports.setdefault(facts, {})
        wanted = {day for day in days if day not in found}
        if wanted:
            for day, plan in model.days(self.terms, self.opened_on, self.facts[:facts]):
                if day in wanted:
                    found[day] = _standing(model.report(plan, day))
                    wanted.remove(day)
                    if not wanted:
                        break
        return found

    def report(self, day: date, *, facts: int | None = None) -> model.Report:
        """Return the report on a day, on all facts unless said otherwise."""
        return self.reports([day], facts=len(self.facts) if facts is None else facts)[day]

    def live(self, day: date, *more: model.Fact) -> model.Plan:
        """Return the plan at the end of a day, with facts that are not recorded."""
        return model.live(self.terms, self.opened_on, [*self.facts, *more], day)

    def record(
        self, call: Call, fact: model.Fact, key: tuple[bool, str], content: tuple[Any, ...], at: datetime
    ) -> None:
        """Take in a fact."""
        assert fact.on is not None
        self.calls.append((call, fact.on))
        self.recorded_at.append(max(at, self.last_recorded_at))
        self.facts.append(fact)
        self.latest = None
        self.contents[key] = content
        if isinstance(fact, (model.Paid, model.Reinstated)):
            self.paid_on[fact.reference] = fact.on


def _standing(report: model.Report) -> model.Report:
    report.outcomes = set()  # the plan's own set, which goes on to change
    return report


class Referee:
    """The ledger that the rules make of the calls: its verdict on each, and its answer to every question."""

    def __init__(self, *, states_instants: bool = True) -> None:
        """Judge calls; without `states_instants` the ledger under test records by a clock of its own."""
        self.plans: dict[str, _Plan] = {}
        self._states_instants = states_instants

    # ---- commands

    def judge(self, call: Call) -> Verdict:
        """Return what the rules say to a command, and take it in if they allow it."""
        at: datetime = call.arguments["recorded_at"]
        plan = self.plans.get(str(call.plan_id))
        if call.name == "close":
            return Verdict("recorded")
        if call.name == "open":
            return self._open(call, at) if plan is None else _again(plan.opening, _content(call))
        if plan is None:
            return _refused("plan_not_found")
        fact = self._fact(plan, call)
        if fact is None:
            return _refused("payment_not_found")
        key, content = (call.name == "reverse", fact.reference), (call.name, *attrs_of(fact), *_currency(call))
        if key in plan.contents:
            return _again(plan.contents[key], content)
        verdict = self._new(plan, call, fact, at)
        if verdict.kind == "recorded":
            plan.record(call, fact, key, content, at)
        return verdict

    def _open(self, call: Call, at: datetime) -> Verdict:
        opened_on = call.arguments["opened_on"]
        if self._states_instants and opened_on > day_of(call.arguments["terms"]["timezone"], at):
            return _refused("command_refused")
        self.plans[str(call.plan_id)] = _Plan(call, at)
        return Verdict("recorded", effective_on=opened_on)

    def _fact(self, plan: _Plan, call: Call) -> model.Fact | None:
        given, reference = call.arguments, call.arguments["reference"]
        if call.name == "pay":
            paid_at = given["paid_at"]
            on = day_of(plan.zone, paid_at) if isinstance(paid_at, datetime) else paid_at
            return model.Paid(on, reference, given["amount"]["minor"], given["kind"])
        if call.name == "cancel":
            return model.CancelRequested(given["on"], reference)
        if call.name == "reinstate":
            return model.Reinstated(given["on"], reference, given["amount"]["minor"], given["revised_shares"])
        if reference not in plan.paid_on:
            return None
        on = plan.paid_on[reference] if given["cause"] == "error" else given["on"]
        return model.Reversed(on, reference, given["cause"])

    def _new(self, plan: _Plan, call: Call, fact: model.Fact, at: datetime) -> Verdict:  # noqa: PLR0911 - in order
        on, code = fact.on, _OWN[call.name]
        assert on is not None
        recorded_on = day_of(plan.zone, max(at, plan.last_recorded_at))
        if on < plan.opened_on or (self._states_instants and on > recorded_on):
            return _refused(code)
        if isinstance(fact, model.Reversed):
            return _refused(code) if on < plan.paid_on[fact.reference] else Verdict("recorded", effective_on=on)
        amount = call.arguments.get("amount")
        if amount is not None and amount["currency"] != plan.currency:
            return _refused(code)
        status = plan.report(on).status
        if isinstance(fact, model.Reinstated):
            if status != "cancelled" or not self._may_reinstate(plan, fact):
                return _refused(code)
        elif status in ("cancelled", "completed"):
            return _refused(f"plan_is_{status}")
        if amount is not None and self._overpays(plan, fact):
            return _refused("overpayment")
        return Verdict("recorded", effective_on=on)

    @staticmethod
    def _overpays(plan: _Plan, fact: model.Fact) -> bool:
        """Return whether more than the price would stand at the end of any day (5)."""
        amounts = [one.amount for one in (*plan.facts, fact) if isinstance(one, (model.Paid, model.Reinstated))]
        if sum(amounts) <= plan.terms.price:
            return False  # whatever is taken back: no day has to be lived for it
        dates = [one.on for one in (*plan.facts, fact) if one.on is not None]
        return plan.live(max(dates), fact).overpaid_on is not None

    @staticmethod
    def _may_reinstate(plan: _Plan, fact: model.Reinstated) -> bool:
        """Return whether the policy and the plan allow this decision (9)."""
        if plan.policy["kind"] == "closed":
            return False
        overdue, covered = model.cover(plan.terms, plan.opened_on, plan.facts, fact.on, fact.amount)
        demanded = min(plan.policy["minimum"], overdue) if plan.policy["kind"] == "partial_cover" else overdue
        if covered < demanded:
            return False
        if fact.revised_shares is None:
            return covered == overdue
        before = plan.live(fact.on)
        return sum(line.shares for line in before.lines) <= fact.revised_shares <= before.package

    # ---- questions

    def answer(self, question: Call) -> Any:
        """Return the answer to a position, an overdue list or balances, in canonical form; a `Verdict` if refused."""
        as_of, known_at = question.arguments["as_of"], question.arguments["known_at"]
        if question.name == "position":
            plan = self.plans.get(str(question.plan_id))
            facts = None if plan is None or as_of < plan.opened_on else plan.known(known_at)
            return _refused("plan_not_found") if plan is None or facts is None else _position(plan, as_of, facts)
        if question.name == "overdue":
            rows = [row for plan, facts in self._known(as_of, known_at) for row in _overdue(plan, as_of, facts)]
            return sorted(rows, key=lambda row: (row["grace_ends_on"], row["plan_id"]))
        return self._balances(as_of, known_at)

    def _known(self, as_of: date, known_at: datetime | None) -> Iterator[tuple[_Plan, int]]:
        for plan in self.plans.values():
            facts = plan.known(known_at)
            if as_of >= plan.opened_on and facts is not None:
                yield plan, facts

    def _balances(self, as_of: date, known_at: datetime | None) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for plan, facts in self._known(as_of, known_at):
            row = rows.setdefault(plan.investor, {"investor": plan.investor, "plans": 0, **dict.fromkeys(_SHARES, 0)})
            report = plan.report(as_of, facts=facts)
            row["plans"] += 1
            for name in _SHARES:
                row[name] += getattr(report, name)
        return [rows[investor] for investor in sorted(rows)]

    # ---- where the boundaries are

    def latest(self, plan_id: str) -> date:
        """Return the latest day on which a fact of a plan, or its opening, counts."""
        return max(day for _, day in self.plans[plan_id].calls)

    def lines(self, plan_id: str) -> Sequence[model.Line]:
        """Return the lines of a plan as they are after its latest fact."""
        plan = self.plans[plan_id]
        if plan.latest is None:
            plan.latest = plan.live(self.latest(plan_id))
        return plan.latest.lines

    def cancelled_on(self, plan_id: str) -> date | None:
        """Return the day on which a plan is or will be cancelled if nothing more happens; None if never."""
        plan = self.plans[plan_id]
        last = max(line.clock for line in self.lines(plan_id)) + (plan.terms.grace_days + 1) * model.ONE_DAY
        return plan.report(max(last, self.latest(plan_id))).cancelled_on

    def packages(self, plan_id: str, day: date) -> tuple[int, int]:
        """Return the smallest and the largest package to which a plan can be revised on a day (9)."""
        before = self.plans[plan_id].live(day)
        return sum(line.shares for line in before.lines), before.package

    def instants(self, plan_id: str) -> Sequence[datetime]:
        """Return the instants at which the opening and the facts of a plan were recorded."""
        plan = self.plans[plan_id]
        return [plan.opened_at, *plan.recorded_at]

    def days(self, plan_id: str, day: date) -> Collection[date]:
        """Return the days on which the rules change something on a plan after a day, and the days around them (6)."""
        plan = self.plans[plan_id]
        report = plan.report(max(day, plan.opened_on))
        if report.status in ("cancelled", "completed"):
            return ()
        clock = report.next_due_on if report.grace_ends_on is None else None
        last = report.grace_ends_on
        if clock is not None:
            last = clock + plan.terms.grace_days * model.ONE_DAY
            return (clock, clock + model.ONE_DAY, last, last + model.ONE_DAY)
        assert last is not None
        return (last, last + model.ONE_DAY)


_OWN = {
    "pay": "payment_refused",
    "reverse": "payment_refused",
    "cancel": "command_refused",
    "reinstate": "reinstatement_refused",
}
"""The code of a refusal that is the command's own."""


def attrs_of(fact: model.Fact) -> tuple[Any, ...]:
    """Return the content of a fact."""
    return tuple(vars(fact).items())


def _currency(call: Call) -> tuple[Any, ...]:
    more = ("reason", "approved_by")
    amount = call.arguments.get("amount")
    return (amount and amount["currency"], *(call.arguments.get(name) for name in more))


def _content(call: Call) -> tuple[Any, ...]:
    return tuple((name, value) for name, value in call.arguments.items() if name != "recorded_at")


def _again(recorded: tuple[Any, ...], given: tuple[Any, ...]) -> Verdict:
    return REPEATED if recorded == given else _refused("reference_conflict")


def _position(plan: _Plan, as_of: date, facts: int) -> dict[str, Any]:
    report = plan.report(as_of, facts=facts)
    upcoming = None
    if report.next_number is not None:
        upcoming = {
            "number": report.next_number,
            "due_on": report.next_due_on,
            "amount": _money(report.next_amount, plan),
            "shares": report.next_shares,
            "missing": _money(report.next_missing, plan),
        }
    return {
        "plan_id": plan.plan_id,
        "investor": plan.investor,
        "partner": plan.partner,
        "price": _money(plan.terms.price, plan),
        "as_of": as_of,
        "status": report.status,
        "paid": _money(report.paid, plan),
        "outstanding": _money(report.outstanding, plan),
        "unapplied": _money(report.unapplied, plan),
        "settled": report.settled,
        "next_installment": upcoming,
        "days_past_due": report.days_past_due,
        "grace_ends_on": report.grace_ends_on,
        "cancelled_on": report.cancelled_on,
        "completed_on": report.completed_on,
        **{name: getattr(report, name) for name in _SHARES},
    }


def _overdue(plan: _Plan, as_of: date, facts: int) -> Iterator[dict[str, Any]]:
    report = plan.report(as_of, facts=facts)
    if report.grace_ends_on is not None:
        yield {
            "plan_id": plan.plan_id,
            "investor": plan.investor,
            "partner": plan.partner,
            "number": report.overdue_number,
            "due_on": report.overdue_due_on,
            "days_past_due": report.days_past_due,
            "days_left": report.days_left,
            "grace_ends_on": report.grace_ends_on,
            "amount_due": _money(report.amount_due, plan),
            "shares_at_stake": report.shares_promised + report.bonus_promised,
        }


def _money(minor: int | None, plan: _Plan) -> dict[str, Any]:
    return {"minor": minor, "currency": plan.currency}
