"""Machines: rule-based state machines of Hypothesis that drive any ledger through `LedgerPort`.

A rule says where a call lies from the plan's own dates and amounts: on the due date of the next installment, a day
after grace, half of what is missing. So examples are near the boundaries, and shrink to a history that can be read.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

import attrs
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from ledger.errors import InvalidArgument
from ledger.testing import checks
from ledger.testing.calls import Call
from ledger.testing.checks import CHECKS, Check
from ledger.testing.comparison import TIMEOUT, Clockwork, Comparison, LedgerDiffers, question
from ledger.testing.referee import Referee, instant_of
from ledger.testing.strategies.plan_terms import openings, terms
from ledger.values import to_dict

DAY = timedelta(days=1)

_DAYS = st.sampled_from(
    [("due", days) for days in (0, 0, 1, -1, -40)]
    + [("grace", days) for days in (0, 1, -1, 2)]
    + [("due", days) for days in (30, 31)]
)
"""A day, counted from the due date of an installment or the end of its grace."""

_LINES = st.sampled_from([0, 0, 0, 0, -1, -2, 1, 2])
"""An installment, counted from the next one; before the first comes the last."""

_SPANS = st.sampled_from(["one", "one", "one", "two", "all", "three", "half", "less", "more", "price"])
_TIMES = st.sampled_from(["day", "last second", "first second", "noon"])
_LATE = st.sampled_from([0, 0, 0, 0, 0, 0, 1, 40, -1, -2])
_BACK = st.sampled_from([0, 0, 0, 1, 86_400])
_FIRST_DAY = date(2019, 1, 1)
"""The first day on which a plan opens: its last day is past by any clock on which this code runs."""

_FIRST_OPENINGS = st.one_of(
    openings(_FIRST_DAY, date(2019, 12, 31)),
    st.sampled_from([date(2019, 1, 31), date(2019, 3, 31), date(2019, 8, 30), date(2020, 1, 30)]),
)
_AROUND = st.sampled_from([0, 1, -1])
_PLANS = st.integers(0, 2)
_COUNTS = st.integers(0, 9)

Factory = Callable[[], Any]
"""Makes an adapter of an empty ledger, or a context manager of one that is left when the example ends."""


@attrs.frozen
class Report:
    """What a machine has judged: how often each check, and the checks that the ledger's capabilities do not allow."""

    judged: Mapping[str, int]
    not_run: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        lines = [f"{name:<30}{times:>8,} times" for name, times in self.judged.items()]
        lines += [f"{name:<30}not run: lacks {', '.join(lacks)}" for name, lacks in self.not_run.items()]
        return "\n".join(lines)


class PlanMachine(RuleBasedStateMachine):
    """Drives one plan of a ledger, and compares its position with the referee's: for a ledger without lists.

    `PlanMachine.of(factory).TestCase` is a test case for unittest and pytest; its `settings` are Hypothesis's.
    """

    factory: ClassVar[Factory | None] = None
    chosen: ClassVar[Collection[str] | None] = None
    terms: ClassVar[Mapping[str, Any]] = {}
    judged: ClassVar[Counter[str]] = Counter()
    not_run: ClassVar[dict[str, tuple[str, ...]]] = {}
    _clockwork: ClassVar[Clockwork] = Clockwork(TIMEOUT)
    _most_plans: ClassVar[int] = 1

    @classmethod
    def of(
        cls,
        factory: Factory,
        *,
        checks: Collection[str] | None = None,
        timeout: float = TIMEOUT,
        terms: Mapping[str, Any] | None = None,
    ) -> type["PlanMachine"]:
        """Return the machine of a ledger: `factory` makes an adapter of an empty one, or a context manager of one.

        `checks` are names of `ledger.testing.checks`; all without any. A call may take `timeout` seconds. `terms` are
        arguments of `strategies.terms` that narrow the terms of plans. Raises `InvalidArgument`.
        """
        _chosen(checks)
        if not callable(factory):
            raise InvalidArgument(argument="factory", given=factory, expected="a function that returns an adapter")
        made: type[PlanMachine] = type(
            cls.__name__,
            (cls,),
            {
                "__doc__": cls.__doc__,
                "factory": staticmethod(factory),
                "chosen": checks,
                "terms": dict(terms or {}),
                "judged": Counter(),
                "not_run": {},
                "_clockwork": Clockwork(timeout),
            },
        )
        made.TestCase.settings = _settings(settings())
        return made

    @classmethod
    def check(
        cls,
        factory: Factory,
        *,
        checks: Collection[str] | None = None,
        settings: settings | None = None,
        timeout: float = TIMEOUT,
        terms: Mapping[str, Any] | None = None,
    ) -> Report:
        """Run the machine of a ledger; return what was judged. Raises `LedgerDiffers` with the shortest history.

        `settings` are Hypothesis's; the other arguments are those of `of`.
        """
        made = cls.of(factory, checks=checks, timeout=timeout, terms=terms)
        try:
            run_state_machine_as_test(made, settings=settings or made.TestCase.settings)
        except LedgerDiffers as error:
            failure = error.with_traceback(None)
        else:
            return made.report()
        raise failure from None

    @classmethod
    def report(cls) -> Report:
        """Return what the machine has judged so far, over all examples."""
        names = [check.name for check in _chosen(cls.chosen) if check.name not in cls.not_run]
        return Report({name: cls.judged[name] for name in names}, dict(cls.not_run))

    def __init__(self) -> None:
        super().__init__()
        self._left = ExitStack()
        made = type(self).factory  # pyright: ignore[reportAttributeAccessIssue]  # a function of the class, not a method
        if made is None:
            raise InvalidArgument(argument="factory", given=None, expected=f"{type(self).__name__}.of(factory)")
        ledger = made()
        if isinstance(ledger, AbstractContextManager):
            ledger = self._left.enter_context(ledger)
        chosen = _chosen(self.chosen)
        self.comparison = Comparison(ledger, chosen=chosen, clockwork=self._clockwork, judged=self.judged)
        for check in chosen:
            if lacks := check.missing(self.comparison.can):
                self.not_run[check.name] = lacks
                event(f"not run: {check.name}, the ledger lacks {', '.join(lacks)}")
        self.clock = datetime(2019, 1, 1, tzinfo=UTC)
        self.made: list[Call] = []  # changes of plans, oldest first
        self.ids: list[str] = []

    def teardown(self) -> None:
        """Release the ledger under test."""
        self._left.close()

    # ---- rules

    @initialize(data=st.data())
    def opens(self, data: st.DataObject) -> None:
        """Open the first plan."""
        self._open(data, "P-1")

    @rule(plan=_PLANS, line=_LINES, day=_DAYS, span=_SPANS, early=st.booleans(), at=_TIMES, late=_LATE, back=_BACK)
    def pays(
        self, plan: int, line: int, day: tuple[str, int], span: str, early: bool, at: str, late: int, back: int
    ) -> None:
        """Pay near a due date or the end of grace; recorded on that day, later, or even before it."""
        plan_id = self._plan(plan)
        on, can = self._day(plan_id, line, day), self.comparison.can
        early = early and "early_repayment" in can
        paid_at: date | datetime = on
        if at != "day" and "instants" in can:
            paid_at = instant_of(self._referee.plans[plan_id].zone, datetime.combine(on, _CLOCK[at]))
        self._change(
            "pay",
            plan_id,
            on,
            late=late,
            back=back,
            reference=self._reference(plan_id),
            amount=self._amount(plan_id, span),
            paid_at=paid_at,
            kind="early_repayment" if early else "regular",
        )

    @rule(plan=_PLANS, count=st.integers(1, 4))
    def pays_on_time(self, plan: int, count: int) -> None:
        """Pay the next installments, each on its due date."""
        self._pay_on_time(self._plan(plan), count)

    def _pay_on_time(self, plan_id: str, count: int) -> None:
        for _ in range(count):
            on = self._day(plan_id, 0, ("due", 0))
            amount, reference = self._amount(plan_id, "one"), self._reference(plan_id)
            self._change("pay", plan_id, on, reference=reference, amount=amount, paid_at=on, kind="regular")

    @rule(plan=_PLANS, count=st.integers(2, 4), early=st.booleans(), days=st.sampled_from([0, -1, -40]))
    def pays_several(self, plan: int, count: int, early: bool, days: int) -> None:
        """Pay several installments at once, on the due date of the first or before."""
        plan_id = self._plan(plan)
        on = self._day(plan_id, 0, ("due", days))
        amount = self._amount(plan_id, {2: "two", 3: "three", 4: "all"}[count])
        kind = "early_repayment" if early and "early_repayment" in self.comparison.can else "regular"
        reference = self._reference(plan_id)
        self._change("pay", plan_id, on, reference=reference, amount=amount, paid_at=on, kind=kind)

    @rule(plan=_PLANS, payment=_COUNTS, after=st.sampled_from([0, 1, 10, 30, 45, 100, -1]), chargeback=st.booleans())
    def takes_back(self, plan: int, payment: int, after: int, chargeback: bool) -> None:
        """Reverse a payment for error, or charge it back some days after it."""
        plan_id = self._plan(plan)
        paid = self._referee.plans[plan_id].paid_on
        cause = "chargeback" if chargeback else "error"
        if not paid or cause not in self.comparison.can:
            return
        reference = sorted(paid)[payment % len(paid)]
        on = paid[reference] + after * DAY if chargeback else None
        self._change("reverse", plan_id, on or paid[reference], reference=reference, cause=cause, on=on)

    @precondition(lambda self: "cancel" in self.comparison.can)
    @rule(plan=_PLANS, line=_LINES, day=_DAYS, paid=st.integers(0, 2), back=st.sampled_from([None, 1, 20]))
    def cancels(self, plan: int, line: int, day: tuple[str, int], paid: int, back: int | None) -> None:
        """Cancel by request, which becomes known after more installments have been paid; perhaps reinstate soon."""
        plan_id = self._plan(plan)
        on = self._day(plan_id, line, day)
        if paid:
            self._pay_on_time(plan_id, paid)
        reference = self._reference(plan_id)
        self._change("cancel", plan_id, on, reference=reference, on=on, reason="asked by the investor")
        if back is not None and "reinstate" in self.comparison.can:
            self._reinstate(plan_id, back, "overdue", 2)

    @precondition(lambda self: "reinstate" in self.comparison.can)
    @rule(
        plan=_PLANS,
        after=st.sampled_from([1, 0, 20, 60]),
        span=st.sampled_from(["overdue", "overdue", "overdue", "all", "one", "half", "two"]),
        part=st.sampled_from([None, 0, 1, 2]),
    )
    def reinstates(self, plan: int, after: int, span: str, part: int | None) -> None:
        """Reinstate a plan some days after its cancellation, with or without a smaller package."""
        self._reinstate(self._plan(plan), after, span, part)

    def _reinstate(self, plan_id: str, after: int, span: str, part: int | None) -> None:
        cancelled_on = self._referee.cancelled_on(plan_id)
        closed = self._referee.plans[plan_id].policy["kind"] == "closed"
        if cancelled_on is None or (closed and after):
            return
        on = cancelled_on + after * DAY
        least, most = self._referee.packages(plan_id, on)
        self._change(
            "reinstate",
            plan_id,
            on,
            reference=self._reference(plan_id),
            amount=self._amount(plan_id, span, on),
            on=on,
            approved_by="head of sales",
            reason="illness",
            revised_shares=None if part is None else max(1, least + (most - least) * part // 2),
        )

    @precondition(lambda self: bool(self.made))
    @rule(call=_COUNTS, other=st.sampled_from([False, False, True]))
    def repeats(self, call: int, other: bool) -> None:
        """Send a call again, as it was or, under the same reference, with other content."""
        again = self.made[-1 - call % len(self.made)]
        given = dict(again.arguments) | {"recorded_at": self._tick()}
        if other:
            given |= _other(given)
        self._tell(Call(again.name, again.plan_id, given), self._referee.latest(str(again.plan_id)))

    @rule(plan=_PLANS, line=_LINES, day=_DAYS, name=st.integers(0, 2), fact=st.none() | _COUNTS, before=_AROUND)
    def asks(self, plan: int, line: int, day: tuple[str, int], name: int, fact: int | None, before: int) -> None:
        """Ask near a due date or the end of grace, perhaps as known when a fact was recorded or a microsecond off."""
        plan_id, names, known_at = self._plan(plan), self._questions(), None
        if fact is not None and "known_at" in self.comparison.can:
            instants = self._referee.instants(plan_id)
            known_at = min(self.clock, instants[fact % len(instants)] - before * timedelta(microseconds=1))
        asked = names[name % len(names)]
        of = plan_id if asked == "position" else None
        self.comparison.ask(question(asked, of, self._day(plan_id, line, day), known_at))

    @precondition(lambda self: self.comparison.can & {"close", "rebuild", "restart"})
    @rule(plan=_PLANS, line=_LINES, day=_DAYS, what=st.sampled_from(["close", "close", "rebuild", "restart"]))
    def operates(self, plan: int, line: int, day: tuple[str, int], what: str) -> None:
        """Close the books through a day near a due date or the end of grace, derive the read models again, restart."""
        if what not in self.comparison.can:
            return
        given: dict[str, Any] = {}
        if what == "close":
            through = self._day(self._plan(plan), line, day)
            for one in self._referee.plans.values():
                self._wait(one.zone, through, 0)
            given = {"through": through, "recorded_at": self._tick()}
        self.comparison.apply(Call(what, None, given))

    # ---- what the rules say, as calls

    @property
    def _referee(self) -> Referee:
        return self.comparison.referee

    def _questions(self) -> tuple[str, ...]:
        return ("position",)

    def _plan(self, number: int) -> str:
        return self.ids[number % len(self.ids)]

    def _reference(self, plan_id: str) -> str:
        return f"bank-{len(self._referee.plans[plan_id].facts) + 1}"

    def _open(self, data: st.DataObject, plan_id: str) -> None:
        if self.comparison.diverged:
            return
        first = last = _FIRST_DAY
        if self.ids:  # near the first, so that their lists have something to list
            near = self._referee.plans[self.ids[0]].opened_on
            first, last = near - 31 * DAY, near + 31 * DAY
        opened_on = data.draw(openings(first, last) if self.ids else _FIRST_OPENINGS)
        agreed = data.draw(terms(opened_on=opened_on, **self.terms))
        number = int(plan_id.rpartition("-")[2])
        given = {
            "investor": f"I-{(number + 1) // 2}",
            "partner": "N-1" if number % 2 else None,
            "terms": to_dict(agreed),
            "opened_on": opened_on,
        }
        self._wait(agreed.timezone, opened_on, 0)
        self.ids.append(plan_id)
        self._tell(Call("open", plan_id, given | {"recorded_at": self._tick()}), opened_on)

    def _change(self, name: str, plan_id: str, day: date, /, *, late: int = 0, back: int = 0, **given: Any) -> None:
        """Make a call that is dated on a day and recorded so many days later, by a clock that may step back."""
        self._wait(self._referee.plans[plan_id].zone, day, late)
        recorded_at = self._tick() - timedelta(seconds=back)
        self._tell(Call(name, plan_id, given | {"recorded_at": recorded_at}), day)

    def _tell(self, call: Call, on: date) -> None:
        self.made.append(call)
        plan_id = str(call.plan_id)
        if plan_id in self._referee.plans:
            for day in (on, on + DAY):
                self.comparison.ask(question("position", plan_id, day))
        verdict = self.comparison.apply(call, days=lambda: {on - DAY, on, on + DAY, *self._referee.days(plan_id, on)})
        if verdict.kind == "recorded":
            self._look(max(self._referee.days(plan_id, on), default=on) - DAY)

    def _look(self, day: date) -> None:
        """Ask for lists, where there are any, on a day on which the plan that was changed may be in grace."""

    def _wait(self, zone: str, on: date, late: int) -> None:
        self.clock = max(self.clock, instant_of(zone, datetime.combine(on + late * DAY, time(23, 59, 59))))

    def _tick(self) -> datetime:
        self.clock += timedelta(seconds=1)
        return self.clock

    def _day(self, plan_id: str, line: int, day: tuple[str, int]) -> date:
        plan, lines = self._referee.plans[plan_id], self._referee.lines(plan_id)
        first = next((i for i, one in enumerate(lines) if one.settled_on is None), 0)
        clock = lines[(first + line) % len(lines)].clock
        anchor = clock if day[0] == "due" else clock + plan.terms.grace_days * DAY
        on: date = max(plan.opened_on - DAY, anchor + day[1] * DAY)
        return on

    def _amount(self, plan_id: str, span: str, on: date | None = None) -> Mapping[str, Any]:
        lines = self._referee.lines(plan_id)
        missing = [one.amount - one.paid for one in lines if one.paid < one.amount] or [lines[-1].amount]
        overdue = [one.amount - one.paid for one in lines if on and one.paid < one.amount and one.due_on < on]
        amount = {
            "one": missing[0],
            "two": sum(missing[:2]),
            "three": sum(missing[:3]),
            "all": sum(missing),
            "half": missing[0] // 2,
            "less": missing[0] - 1,
            "more": missing[0] + 1,
            "overdue": sum(overdue),
            "price": self._referee.plans[plan_id].terms.price,
        }[span]
        return {"minor": max(1, amount), "currency": self._referee.plans[plan_id].currency}


_CLOCK = {"last second": time(23, 59, 59), "first second": time(0), "noon": time(12)}


def _chosen(names: Collection[str] | None) -> tuple[Check, ...]:
    return checks.chosen(names)


def _settings(parent: settings) -> settings:
    """Return settings for a machine: each example is some twenty calls, however long they take."""
    slow = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
    return settings(parent, deadline=None, stateful_step_count=20, suppress_health_check=slow)


def _other(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an argument with other content."""
    if "amount" in given:
        return {"amount": given["amount"] | {"minor": given["amount"]["minor"] + 1}}
    if "investor" in given:
        return {"investor": "somebody else"}
    if "reason" in given:
        return {"reason": "another one"}
    return {"cause": "error" if given["cause"] == "chargeback" else "chargeback", "on": given["on"] or date(2021, 1, 1)}


def _of_days(calls: Sequence[tuple[Call, date]]) -> list[list[Call]]:
    """Return calls by day, those of one day in the order in which they were recorded, which counts."""
    days: dict[date, list[Call]] = {}
    for call, day in calls:
        days.setdefault(day, []).append(call)
    return [days[day] for day in sorted(days)]


class LedgerMachine(PlanMachine):
    """Drives a ledger of up to three plans, its overdue list and its balances, and compares all with the referee's.

    `LedgerMachine.of(factory).TestCase` is a test case for unittest and pytest; its `settings` are Hypothesis's.
    """

    @precondition(lambda self: len(self.ids) < 3)  # noqa: PLR2004 - two of one investor, one of another
    @rule(data=st.data())
    def opens_another(self, data: st.DataObject) -> None:
        """Open another plan."""
        self._open(data, f"P-{len(self.ids) + 1}")

    @precondition(lambda self: self.comparison.has("order_of_knowledge") and self._of_some_days())
    @rule(plan=_PLANS, line=_LINES, day=_DAYS, late=st.none() | _COUNTS)
    def learns_in_another_order(self, plan: int, line: int, day: tuple[str, int], late: int | None) -> None:
        """Open a plan again under another id, and record its facts with one day's last, or from the last day back.

        A fact that is refused before others are known is offered again after them, like the rows of an import.
        """
        plans = self._of_some_days()
        plan_id = plans[plan % len(plans)]
        (opening, _), *facts = self._referee.plans[plan_id].calls
        again, days = f"{plan_id}-again-{len(self._referee.plans)}", [self._day(plan_id, line, day)]
        days_of = _of_days(facts)
        waiting = days_of[::-1] if late is None else [*days_of, days_of.pop(late % len(days_of))]
        if not self._learn(again, [opening]):
            return
        while any(waiting):
            known = [self._learn(again, calls) for calls in waiting]
            if not any(known):
                return
            waiting = [calls[count:] for calls, count in zip(waiting, known, strict=True)]
        for on in {*days, *(self._referee.days(plan_id, days[0]))}:
            first, second = question("position", plan_id, on), question("position", again, on)
            expected, found = self.comparison.fetch(first), self.comparison.fetch(second)
            if isinstance(found, dict):
                found |= {"plan_id": plan_id}
            self.comparison.same(CHECKS["order_of_knowledge"], second, found, expected)

    def _of_some_days(self) -> list[str]:
        """Return the plans with facts of more days than one."""
        plans = self._referee.plans
        return [
            plan_id
            for plan_id in self.ids
            if plan_id in plans and len({day for _, day in plans[plan_id].calls[1:]}) > 1
        ]

    def _learn(self, plan_id: str, calls: Sequence[Call]) -> int:
        """Make calls of another plan about this one; return how many there are before the first that is refused."""
        for count, call in enumerate(calls):
            repeated = Call(call.name, plan_id, dict(call.arguments) | {"recorded_at": self._tick()})
            verdict = self.comparison.apply(repeated)
            if self.comparison.diverged:
                self.comparison.differ(
                    CHECKS["order_of_knowledge"], repeated, str(verdict), self.comparison.story[-1].became
                )
            if verdict.kind == "refused":
                return count
        return len(calls)

    def _look(self, day: date) -> None:
        for name in self._questions()[1:]:
            self.comparison.ask(question(name, None, day))

    def _questions(self) -> tuple[str, ...]:
        return ("position", *(name for name in ("overdue", "balances") if name in self.comparison.can))
